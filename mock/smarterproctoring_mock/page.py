"""The page at the server's root, a user interface for `/_mock/`.

Static files, shipped in the package and read once; everything that moves on the page comes from `/_mock/` as
JSON. The files hold no data, and their Content-Security-Policy lets them run nothing but their own scripts
and talk to nobody but this server.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

from smarterproctoring_mock.request import Request
from smarterproctoring_mock.responses import Response
from smarterproctoring_mock.spec import CompiledSpec

ROOT: Final = "/"
FOLDER: Final = Path(__file__).with_name("page")
PREFIX: Final = "/_mock/page/"
_LARGEST_HEAD: Final = 64 * 1024
"""Octets of header fields; a browser sends fewer, and the Accept of a larger request is not read."""

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        # The browser refuses innerHTML and similar methods, so that received text cannot become HTML.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS: Final = (
    ("cache-control", "no-store"),
    ("content-security-policy", _POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


def is_wanted(spec: CompiledSpec, request: Request) -> bool:
    """Tell whether a request for the root is for the page; any other is validated against the spec.

    Args:
        spec: The spec that is served. If it describes the root itself, there is no page.
        request: A request whose raw path is `ROOT`.

    Returns:
        True for GET and HEAD if the client accepts HTML and sends none of the API's secrets.
    """
    if request.method not in {"GET", "HEAD"} or any(
        item.template == ROOT for item in spec.items
    ):
        return False
    if len(request.fields) > _LARGEST_HEAD:
        return False
    headers = request.headers
    names = {name.decode("latin-1") for name, _ in headers}
    accept = b",".join(value for name, value in headers if name == b"accept")
    return _admits_html(accept.decode("latin-1")) and not names & spec.secret_names


def _admits_html(accept: str) -> bool:
    """Read Accept (RFC 9110 12.5.1): the most precise range decides."""
    found: dict[str, bool] = {}
    for item in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in item.split(";"))
        found[kind] = _weight(parameters).strip("0.") != ""
    ranges = ("text/html", "text/*", "*/*")
    return next((found[kind] for kind in ranges if kind in found), False)


def _weight(parameters: Sequence[str]) -> str:
    """Return the weight of a media range, 1 where it has none."""
    for text in parameters:
        if text.replace(" ", "").startswith("q="):
            return text.partition("=")[2].strip()
    return "1"


@cache
def files() -> dict[str, Response]:
    """Return the page's files by their path; the page itself is `ROOT`."""
    found = {
        PREFIX + path.name: Response(
            200, path.read_bytes(), _TYPES[path.suffix], HEADERS
        )
        for path in sorted(FOLDER.iterdir())
        if path.suffix in _TYPES
    }
    found[ROOT] = found.pop(PREFIX + "index.html")
    return found
