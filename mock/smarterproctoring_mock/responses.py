"""Responses, and the vendor's form of an error."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

HeaderPairs = tuple[tuple[str, str], ...]

_VENDOR_CODES: Final = {401: "AUTHENTICATIONFAILED", 403: "5003"}


@dataclass(frozen=True, slots=True)
class Response:
    """A response, complete."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: HeaderPairs = ()

    def fields(self) -> list[tuple[str, str]]:
        """Return the header fields that it is sent with."""
        found = list(self.headers)
        if self.content_type and self.body:
            found.insert(0, ("content-type", self.content_type))
        if self.status not in {204, 304}:  # RFC 9110 8.6
            found.append(("content-length", str(len(self.body))))
        return found


def error_response(
    more_info: str, status: int, code: str, message: str, headers: HeaderPairs = ()
) -> Response:
    """Write an error in the vendor's form.

    Args:
        more_info: The link that the vendor's errors hold.
        status: The status.
        code: The vendor's code.
        message: What is wrong.
        headers: Further header fields.
    """
    error = {"code": code, "message": message, "status": status, "more_info": more_info}
    body = json.dumps(error, ensure_ascii=False).encode()
    return Response(status, body, headers=headers)


def vendor_code(status: int) -> str:
    """Return the code the vendor documents for a status; where none is known, the status itself."""
    return _VENDOR_CODES.get(status, str(status))


def phrase(status: int) -> str:
    """Return the status in words."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return f"Status {status}"
