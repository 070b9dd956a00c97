"""Read HTTP/1.1 requests from the octets of a connection.

httptools (llhttp) does the parsing. It refuses methods that are not on its fixed list, and it does not read the body
of a request that offers an upgrade, as Java's client does with its first one. This server answers an unknown method
with 405 and ignores the offer (RFC 9110 7.8). So the head of such a request is changed and parsed a second time.
"""

import re
from typing import Final, NamedTuple, Protocol

import httptools

from smarterproctoring_mock import wire

_HEAD_LIMIT: Final = 1024 * 1024
"""Octets after which a head without an end is refused; a complete one has the application's limits."""
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_UPGRADE: Final = re.compile(rb"\r\nupgrade(?=:)", re.IGNORECASE)
_HIDDEN_UPGRADE: Final = b"upgrad_"
_HEAD_END: Final = b"\r\n\r\n"


class BadRequestError(ValueError):
    """The octets are not a valid HTTP/1.1 request. Nothing that follows them can be read."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestHead(NamedTuple):
    """The head of a request."""

    method: str
    path: bytes
    """As sent, percent-encoded; of an absolute target without scheme and host."""
    query: bytes
    version: str
    fields: list[tuple[bytes, bytes]]
    """Header fields in the order received; names in lower case. No trailer fields."""
    keep_alive: bool
    """Whether the client may send another request on the connection."""
    expects_continue: bool
    """Whether the client waits for 100 (Continue) before it sends the body."""


class RequestReceiver(Protocol):
    """Receives the parts of the requests, in the order of their octets."""

    def request_received(self, head: RequestHead) -> None:
        """Take the head of a request."""
        ...

    def body_received(self, data: bytes) -> None:
        """Take a part of the body of the latest request."""
        ...

    def request_ended(self) -> None:
        """Take the end of the latest request."""
        ...


class _StopParsingError(Exception):
    """Raised by a callback to stop httptools; the parser has noted the reason."""


class RequestParser:
    """The parser of one connection. Its `on_…` methods are httptools' callbacks."""

    def __init__(self, receiver: RequestReceiver) -> None:
        """Start before the first request.

        Args:
            receiver: Called while octets are fed.
        """
        self._receiver = receiver
        self._in_head = False
        self._in_body = False
        self._head_size = 0
        self._head: bytearray | None = (
            None  # the octets since its start, while it can be parsed again
        )
        self._method_start = (
            b""  # of a method's name that is not on llhttp's list and has no end yet
        )
        self._method = (
            ""  # the true name of a method that llhttp was given another name for
        )
        self._upgrade_offered = False
        self._bad_target = False
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        self._parser = self._new_parser()

    @property
    def in_request(self) -> bool:
        """Whether a request has begun and is not complete."""
        return self._in_head or self._in_body or self._method_start != b""

    def feed(self, data: bytes) -> None:
        """Read octets.

        Args:
            data: What came next on the connection.

        Raises:
            BadRequestError: They break RFC 9112, or a head is too large. No more can be fed.
        """
        if self._in_head:
            if self._head is not None:
                self._head += data
        elif not self._in_body:
            if self._method_start:
                data = self._method_start + data
                self._method_start = b""
            self._head = bytearray(data)
        self._parse(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > _HEAD_LIMIT:
                raise self._refusal(431, "the request's head is too large")

    def early_end(self) -> BadRequestError:
        """Return the problem if the client closed its side inside a request."""
        return self._refusal(400, "the request is incomplete")

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # A higher minor version has to be served (RFC 9110 2.5); the application refuses other major versions.
        parser.set_dangerous_leniencies(
            lenient_data_after_close=True, lenient_version=True
        )
        return parser

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # CONNECT, whose answer is an error. What follows it is not HTTP and is not read.
            self._in_body = False
        except httptools.HttpParserInvalidMethodError as error:
            self._parse_other_method(error)
        except httptools.HttpParserCallbackError:
            if self._bad_target:
                message = (
                    "the target must be a path, or an http URI, without a fragment"
                )
                raise self._invalid(message) from None
            if not self._upgrade_offered:
                raise
            self._parse_without_upgrade()
        except httptools.HttpParserError as error:
            raise self._invalid(str(error)) from None

    def _parse_other_method(self, error: httptools.HttpParserError) -> None:
        """Parse a head again with a method that llhttp knows, or wait for the end of the method's name."""
        head = bytes(self._head or b"")
        match = _METHOD.match(head)
        if match is None:
            raise self._invalid(str(error)) from None
        if match.end() == len(head):
            self._method_start = head
            self._parser = self._new_parser()
            self._in_head = False
            return
        if not head.startswith(b" ", match.end()):
            raise self._invalid(str(error)) from None
        self._method = match[0].decode("ascii")
        self._parse_again(b"POST" + head[match.end() :])

    def _parse_without_upgrade(self) -> None:
        """Parse a head again with another name for its Upgrade field."""
        head, end, rest = bytes(self._head or b"").partition(_HEAD_END)
        self._parse_again(_UPGRADE.sub(b"\r\n" + _HIDDEN_UPGRADE, head) + end + rest)

    def _parse_again(self, data: bytes) -> None:
        self._parser = self._new_parser()
        self._in_head = False
        self._head = bytearray(data)
        self._parse(data)

    def _invalid(self, message: str) -> BadRequestError:
        return self._refusal(400, f"not a valid HTTP/1.1 request: {message}")

    def _refusal(self, status: int, message: str) -> BadRequestError:
        if self._in_head and len(self._url) > wire.TARGET_LIMIT:
            status = 414
        return BadRequestError(status, message)

    # --- httptools' callbacks ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        self._url = b""
        self._fields = []
        self._expects_continue = False

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field of the head. After the head it is a trailer field, which counts as none (RFC 9110 6.5.1)."""
        if not self._in_head:
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Pass the head on, unless it has to be parsed again."""
        parser = self._parser
        if self._upgrade_offered:
            self._upgrade_offered = False
            self._fields = [
                (b"upgrade" if name == _HIDDEN_UPGRADE else name, value)
                for name, value in self._fields
            ]
        elif (
            parser.should_upgrade()
            and self._head is not None
            and self._offers_upgrade()
        ):
            self._upgrade_offered = True
            raise _StopParsingError
        path, _, query = self._path_and_query().partition(b"?")
        version = parser.get_http_version()
        is_first_version = version == "1.0"
        head = RequestHead(
            method=self._method or parser.get_method().decode("ascii"),
            path=path,
            query=query,
            version=version,
            fields=self._fields,
            keep_alive=not is_first_version
            and parser.should_keep_alive()
            and not parser.should_upgrade(),
            expects_continue=self._expects_continue
            and not is_first_version,  # RFC 9110 10.1.1
        )
        self._head = None
        self._method = ""
        self._in_head = False
        self._head_size = 0
        self._in_body = True
        self._receiver.request_received(head)

    def on_body(self, data: bytes) -> None:
        """Pass a part of the body on."""
        self._receiver.body_received(data)

    def on_message_complete(self) -> None:
        """Pass the end of the request on."""
        self._in_body = False
        self._receiver.request_ended()

    def _offers_upgrade(self) -> bool:
        return any(name == b"upgrade" for name, _ in self._fields)

    def _path_and_query(self) -> bytes:
        """Return the target without scheme and host; the host then replaces the Host field (RFC 9112 3.2.2)."""
        url = self._url
        if url.startswith(b"/") and b"#" not in url:
            return url
        authority = wire.http_authority(url)
        if authority is None:
            self._bad_target = True
            raise _StopParsingError
        self._fields = [
            (name, authority if name == b"host" else value)
            for name, value in self._fields
        ]
        rest = url[len(b"http://") + len(authority) :]
        return rest if rest.startswith(b"/") else b"/" + rest
