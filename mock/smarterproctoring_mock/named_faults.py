"""The faults that have a name."""

from collections.abc import Mapping
from typing import Final

from smarterproctoring_mock.fault import Fault
from smarterproctoring_mock.shown_dates import DATE_FORMS

_HTML: Final = """<html>
<head><title>502 Bad Gateway</title></head>
<body><h1>502 Bad Gateway</h1></body>
</html>
"""

READ_FAULTS: Final = (
    Fault(name="read-stale", method="GET", show="former"),
    Fault(
        name="read-stale-seconds", method="GET", show="former", within=2.0, times=None
    ),
    Fault(name="read-invented", method="GET", show="invented"),
    Fault(
        name="read-expired-token",
        method="GET",
        status=401,
        code="AUTHENTICATIONFAILED",
        message="The token has expired",
    ),
    Fault(
        name="read-forbidden",
        method="GET",
        status=403,
        code="5003",
        message="The permission is missing",
    ),
    Fault(
        name="read-not-found",
        method="GET",
        status=404,
        code="1203",
        message="The requested session was not found",
    ),
    Fault(
        name="read-rate-limited",
        method="GET",
        status=429,
        message="Too many requests",
        retry_after=1,
    ),
    Fault(
        name="read-server-error",
        method="GET",
        status=500,
        message="Please retry the request",
    ),
    Fault(
        name="read-unavailable", method="GET", status=503, message="Service unavailable"
    ),
    *(
        Fault(name=f"read-dates-{form}", method="GET", dates=form)
        for form in DATE_FORMS
    ),
    Fault(name="read-html", method="GET", text=_HTML, content_type="text/html"),
    Fault(
        name="read-error-object",
        method="GET",
        json={"error": {"code": "1", "message": "Not available", "details": []}},
    ),
    Fault(name="read-empty-object", method="GET", json={}),
    Fault(name="read-empty", method="GET", text=""),
    Fault(
        name="read-malformed-json",
        method="GET",
        text='{"appointmentDate": "2030-05-0',
        content_type="application/json",
    ),
    Fault(name="read-slow", method="GET", delay=2.0),
    Fault(name="read-drip", method="GET", drip=0.05, drip_bytes=100),
    Fault(name="read-truncated", method="GET", truncate=5),
    Fault(name="read-dropped", method="GET", drop="before-read"),
    Fault(name="read-reset", method="GET", drop="before-store", reset=True),
)
"""The faults that apply only to reads."""

FAULTS: Final[Mapping[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault(
            name="expired-token",
            status=401,
            code="AUTHENTICATIONFAILED",
            message="The token has expired",
        ),
        Fault(
            name="refused-token",
            status=403,
            code="AUTHENTICATIONFAILED",
            message="The token is not valid",
        ),
        Fault(
            name="forbidden",
            status=403,
            code="5003",
            message="The permission is missing",
        ),
        Fault(
            name="not-found",
            status=404,
            code="1203",
            message="The requested session was not found",
        ),
        Fault(
            name="rate-limited", status=429, message="Too many requests", retry_after=1
        ),
        Fault(
            name="rate-limited-until",
            status=429,
            message="Too many requests",
            retry_after_date=2,
        ),
        Fault(name="server-error", status=500, message="Please retry the request"),
        Fault(
            name="stored-server-error",
            status=500,
            message="Please retry the request",
            store=True,
        ),
        Fault(
            name="unavailable", status=503, message="Service unavailable", retry_after=1
        ),
        Fault(
            name="unknown-520",
            status=520,
            text="error code: 520",
            content_type="text/plain; charset=UTF-8",
        ),
        Fault(name="proxy-html", status=502, text=_HTML, content_type="text/html"),
        Fault(
            name="hapi-error",
            status=400,
            json={"statusCode": 400, "error": "Bad Request", "message": "Invalid"},
        ),
        Fault(
            name="nested-error",
            status=400,
            json={"error": {"code": "1", "message": "Invalid", "details": []}},
        ),
        Fault(
            name="malformed-json",
            text='{"message": "Session resch',
            content_type="application/json",
        ),
        Fault(name="empty", status=204, text=""),
        Fault(name="empty-200", status=200, text=""),
        Fault(name="text", text="Session rescheduled", content_type="text/plain"),
        Fault(
            name="object",
            json={
                "sessionSid": "ES0123456789abcdef0123456789abcdef",
                "status": "scheduled",
            },
        ),
        Fault(
            name="redirect",
            status=302,
            text="",
            headers={"Location": "https://example.org/elsewhere"},
        ),
        Fault(name="slow", delay=2.0),
        Fault(name="drip", drip=0.05),
        Fault(name="truncated", truncate=5),
        Fault(name="drop-before-read", drop="before-read"),
        Fault(name="drop-before-store", drop="before-store"),
        Fault(name="drop-after-store", drop="after-store"),
        Fault(name="reset-after-store", drop="after-store", reset=True),
        *READ_FAULTS,
    )
}
"""Single faults by name; a rule names one as its `fault` and may change it."""

ABOUT_FAULTS: Final[Mapping[str, str]] = {
    "expired-token": "401 with the code AUTHENTICATIONFAILED",
    "refused-token": "403 with the code AUTHENTICATIONFAILED",
    "forbidden": "403 with the code 5003",
    "not-found": "404 with the code 1203",
    "rate-limited": "429, Retry-After one second",
    "rate-limited-until": "429, Retry-After as a date two seconds ahead",
    "server-error": "500; nothing is stored",
    "stored-server-error": "500, although the change is stored",
    "unavailable": "503, Retry-After one second",
    "unknown-520": "520 in plain text, a status of one proxy's own",
    "proxy-html": "502 with a proxy's HTML page",
    "hapi-error": "400 in the form of hapi, {statusCode, error, message}",
    "nested-error": "400 in the form {error: {code, message, details}}",
    "malformed-json": "200 with JSON that breaks off",
    "empty": "204",
    "empty-200": "200 without a body",
    "text": "200 in plain text",
    "object": "200 with an object",
    "redirect": "302 to another host",
    "slow": "the answer begins two seconds late",
    "drip": "the answer comes octet by octet",
    "truncated": "the connection is cut within the answer",
    "drop-before-read": "the connection is cut before the request is read",
    "drop-before-store": "the connection is cut; nothing is stored",
    "drop-after-store": "the change is stored, then the connection is cut",
    "reset-after-store": "the same, with a reset (RST)",
    "read-stale": "a read shows the session as it was before its last change",
    "read-stale-seconds": "the same for two seconds after each change, until cleared",
    "read-invented": "a read shows times and texts that the session never had",
    "read-expired-token": "a read is refused with 401",
    "read-forbidden": "a read is refused with 403, code 5003",
    "read-not-found": "a read is refused with 404, code 1203",
    "read-rate-limited": "a read is refused with 429, Retry-After one second",
    "read-server-error": "a read fails with 500",
    "read-unavailable": "a read fails with 503",
    "read-dates-offset": "dates are 2030-05-04T09:00:00.000-04:00",
    "read-dates-no-milliseconds": "dates are 2030-05-04T13:00:00Z",
    "read-dates-naive": "dates are 2030-05-04T13:00:00, without a zone",
    "read-dates-epoch": "dates are numbers, milliseconds since 1970",
    "read-dates-us": "dates are 05/04/2030 01:00 PM",
    "read-dates-empty": "dates are empty texts",
    "read-dates-null": "dates are null",
    "read-dates-missing": "dates are left out",
    "read-html": "a read is answered with 200 and an HTML page",
    "read-error-object": "a read is answered with 200 and {error: {...}}",
    "read-empty-object": "a read is answered with {}",
    "read-empty": "a read is answered with 200 without a body",
    "read-malformed-json": "a read is answered with JSON that breaks off",
    "read-slow": "a read's answer begins two seconds late",
    "read-drip": "a read's answer comes in pieces of 100 octets",
    "read-truncated": "the connection is cut within the answer to a read",
    "read-dropped": "the connection is cut before a read is answered",
    "read-reset": "the same, with a reset (RST)",
}
"""What each of `FAULTS` does. The command's `--help` and the README show this table."""
