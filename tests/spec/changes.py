# ruff: noqa: E501 - texts of the spec stand as they do there
"""Changes of the spec, each as a text edit of the file, with the version bump that semantic versioning demands.

The texts are those of base.yaml. The bump is the package's: would code that calls the client, or catches its errors, still work with the new version?
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SPEC = Path(__file__).resolve().parent / "base.yaml"

NOTES = "        notes:\n          type: string\n"
CODE = "        code:\n          type: string\n"
MESSAGE = "      required: [message]\n"
SESSION_SID = "      description: SID of the exam session to move.\n      schema:\n        type: string\n"
PARAMETERS = "        - $ref: '#/components/parameters/SessionSid'\n"
DEFAULT = "              schema:\n                type: string\n              example: Session rescheduled\n"
SECURITY_SCHEME = "      type: apiKey\n      in: header\n      name: token\n"
NEW_OPERATION = """\
    get:
      operationId: getExamSession
      tags: [exam-sessions]
      summary: Exam Session
      description: Shows an exam session as it stands.
      security:
        - token: []
      parameters:
        - $ref: '#/components/parameters/InstallSid'
        - $ref: '#/components/parameters/ExamSid'
        - $ref: '#/components/parameters/SessionSid'
      responses:
        default:
          description: The session.
          content:
            application/json:
              schema:
                type: string
              example: A session
        4XX:
          description: Refused; see the message.
          x-evidence: I
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/Error'
        5XX:
          description: Failed on the server's side.
          x-evidence: I
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/Error'
"""
PUT = "    put:\n      operationId: rescheduleExamSession\n"
NOT_FOUND = """\
        '404':
          description: The install, the exam or the session is unknown.
          x-evidence: V
          content:
            application/json:
              schema:
                $ref: '#/components/schemas/Error'
"""
NOTIFY = "        - {name: notify, in: query, description: Whom to tell., schema: {type: string}, example: all"


class Change(NamedTuple):
    """One change: texts to replace, each of which must occur exactly once in the spec, and the bump that it needs."""

    name: str
    bump: str
    edits: list[tuple[str, str]]
    base: list[tuple[str, str]] = []  # noqa: RUF012 - never changed; what the released spec has that today's has not


def apply(text: str, edits: list[tuple[str, str]]) -> str:
    """Replace; an edit that does not find its text is a mistake in the test."""
    for old, new in edits:
        assert text.count(old) == 1, f"{text.count(old)} times in the spec: {old!r}"
        text = text.replace(old, new)
    return text


def renamed(old: str, new: str) -> list[tuple[str, str]]:
    """Rename a path parameter in the path and in its definition."""
    return [(f"{{{old}}}", f"{{{new}}}"), (f"name: {old}\n", f"name: {new}\n")]


CHANGES = [
    # -- nobody's code can tell
    Change("nothing", "none", []),
    Change("a comment", "none", [("openapi: 3.0.3\n", "openapi: 3.0.3  # see README.md\n")]),
    Change("description", "patch", [("Free text about the session.", "Any text about the session.")]),
    Change("summary", "patch", [("summary: Reschedule Exam Session", "summary: Move an exam session")]),
    Change("example", "patch", [("example: Moved at the student's request", "example: Moved")]),
    Change(
        "evidence",
        "patch",
        [
            (
                "    description: Scheduled sittings of an exam.\n    x-evidence: I\n",
                "    description: Scheduled sittings of an exam.\n    x-evidence: V\n",
            )
        ],
    ),
    Change("title of the document", "patch", [("title: SmarterProctoring\n", "title: Smarter Proctoring\n")]),
    Change(
        "order of the fields",
        "patch",
        [
            (
                "        address1:\n          type: string\n          description: First address line of an ad-hoc proctor.\n          example: 1 Example Street\n",
                "",
            ),
            (
                "        place:\n",
                "        address1:\n          type: string\n          description: First address line of an ad-hoc proctor.\n          example: 1 Example Street\n        place:\n",
            ),
        ],
    ),
    Change(
        "example added",
        "patch",
        [
            (
                "              proctor:\n                summary",
                "              other:\n                summary: Other\n                value: {notes: x}\n              proctor:\n                summary",
            )
        ],
    ),
    Change("extension", "patch", [(NOTES, NOTES + "          x-foo: 1\n")]),
    Change("contact", "patch", [("    name: SmarterServices developer documentation\n", "    name: Smarter\n")]),
    Change(
        "description of a response",
        "patch",
        [("Failed on the server's side. Whether", "Failed on the servers' side. Whether")],
    ),
    # -- more is possible, what was possible still is
    Change(
        "optional field added",
        "minor",
        [
            (
                NOTES,
                "        room:\n          type: string\n          description: Room of the sitting.\n          example: B12\n"
                + NOTES,
            )
        ],
    ),
    Change(
        "enum value added to the request",
        "minor",
        [("        - b-virtual\n", "        - b-virtual\n        - in-person\n")],
    ),
    Change(
        "enum of the request lifted",
        "minor",
        [
            (
                "      enum:\n        - b-virtual\n        - ad-hoc\n        - register-blast\n        - proctoru\n        - examity\n        - smarter-scheduling\n",
                "",
            )
        ],
    ),
    Change("operation added", "minor", [(PUT, NEW_OPERATION + PUT)]),
    Change("optional query parameter added", "minor", [(PARAMETERS, PARAMETERS + NOTIFY + "}\n")]),
    Change(
        "field of the request no longer required",
        "minor",
        [("      required: [notes]\n", "")],
        base=[("      properties:\n        type:\n", "      required: [notes]\n      properties:\n        type:\n")],
    ),
    Change(
        "body no longer required",
        "minor",
        [("        required: true\n        content:", "        required: false\n        content:")],
    ),
    Change(
        "pattern of a field lifted",
        "minor",
        [(NOTES + "          pattern: ^x\n", NOTES)],
        base=[(NOTES, NOTES + "          pattern: ^x\n")],
    ),
    Change(
        "maxLength raised",
        "minor",
        [("          maxLength: 100\n", "          maxLength: 200\n")],
        base=[(NOTES, NOTES + "          maxLength: 100\n")],
    ),
    Change(
        "maxLength lifted",
        "minor",
        [("          maxLength: 100\n", "")],
        base=[(NOTES, NOTES + "          maxLength: 100\n")],
    ),
    Change("field of the request may be null", "minor", [(NOTES, NOTES + "          nullable: true\n")]),
    Change(
        "field of an error added",
        "minor",
        [
            (
                CODE,
                "        details:\n          type: string\n          description: More about it.\n          example: No session\n"
                + CODE,
            )
        ],
    ),
    Change("field of an error now always there", "minor", [(MESSAGE, "      required: [message, code]\n")]),
    Change("error response added", "minor", [("        4XX:\n", NOT_FOUND + "        4XX:\n")]),
    Change(
        "server added",
        "minor",
        [
            (
                "tags:\n  - name",
                "  - url: https://eu.api.smarterproctoring.com\n    description: Europe.\ntags:\n  - name",
            )
        ],
    ),
    Change("operation deprecated", "minor", [(PUT, PUT + "      deprecated: true\n")]),
    Change("field deprecated", "minor", [(NOTES, NOTES + "          deprecated: true\n")]),
    Change(
        "x-before lifted",
        "minor",
        [("          x-before: appointmentEndDateTime  # I: checked by the client, never by the mock server\n", "")],
    ),
    Change("tag added", "minor", [("paths:\n", "  - name: foo\n    description: bar\npaths:\n")]),
    Change("security lifted", "minor", [("      security:\n        - token: []\n", "      security: []\n")]),
    # -- code that worked may no longer do so
    Change(
        "field removed",
        "major",
        [
            (
                NOTES
                + "          description: Free text about the session.\n          example: Moved at the student's request\n",
                "",
            )
        ],
    ),
    Change("field renamed", "major", [("        notes:\n", "        remarks:\n")]),
    Change(
        "field required",
        "major",
        [("      properties:\n        type:\n", "      required: [notes]\n      properties:\n        type:\n")],
    ),
    Change(
        "field of another type",
        "major",
        [
            (NOTES, "        notes:\n          type: integer\n"),
            ("example: Moved at the student's request", "example: 7"),
        ],
    ),
    Change(
        "date-time became text",
        "major",
        [
            (
                "          description: When the session ends, in UTC.\n          pattern: .*Z\n          format: date-time\n",
                "          description: When the session ends, in UTC.\n          pattern: .*Z\n",
            ),
            ("          x-before: appointmentEndDateTime  # I: checked by the client, never by the mock server\n", ""),
        ],
    ),
    Change(
        "text became a date-time",
        "major",
        [
            (NOTES, NOTES + "          format: date-time\n"),
            ("example: Moved at the student's request", "example: '1970-01-01T00:00:00.000Z'"),
        ],
    ),
    Change("enum value removed from the request", "major", [("        - examity\n", "")]),
    Change(
        "text became an enum", "major", [(NOTES, NOTES + "          enum: [Moved at the student's request, other]\n")]
    ),
    Change(
        "pattern narrowed",
        "major",
        [
            (SESSION_SID + "        pattern: ^ES[a-f0-9]{32}$", SESSION_SID + "        pattern: ^ES[0-9]{32}$"),
            ("ES0123456789abcdef0123456789abcdef", "ES01234567890123456789012345678901"),
        ],
    ),
    Change("pattern added", "major", [(NOTES, NOTES + "          pattern: ^M\n")]),
    Change(
        "maxLength lowered",
        "major",
        [("          maxLength: 100\n", "          maxLength: 50\n")],
        base=[(NOTES, NOTES + "          maxLength: 100\n")],
    ),
    Change("maxLength added", "major", [(NOTES, NOTES + "          maxLength: 500\n")]),
    Change(
        "unknown fields refused",
        "major",
        [
            (
                "      description: What to change about an exam session. Every field is optional.\n",
                "      description: What to change about an exam session. Every field is optional.\n      additionalProperties: false\n",
            )
        ],
    ),
    Change(
        "x-before added",
        "major",
        [
            (
                "          description: The date and time of the appointment, in UTC.\n",
                "          description: The date and time of the appointment, in UTC.\n          x-before: appointmentEndDateTime\n",
            )
        ],
    ),
    Change("path parameter renamed", "major", renamed("sessionSid", "sittingSid")),
    Change("required query parameter added", "major", [(PARAMETERS, PARAMETERS + NOTIFY + ", required: true}\n")]),
    Change(
        "query parameter removed", "major", [(NOTIFY + "}\n", "")], base=[(PARAMETERS, PARAMETERS + NOTIFY + "}\n")]
    ),
    Change(
        "query parameter became required",
        "major",
        [(NOTIFY + "}\n", NOTIFY + ", required: true}\n")],
        base=[(PARAMETERS, PARAMETERS + NOTIFY + "}\n")],
    ),
    Change("path changed", "major", [("  /v1/installs/", "  /v2/installs/")]),
    Change("method changed", "major", [(PUT, PUT.replace("put:", "patch:"))]),
    Change("operation removed", "major", [(NEW_OPERATION, "")], base=[(PUT, NEW_OPERATION + PUT)]),
    Change("operationId changed", "major", [("operationId: rescheduleExamSession", "operationId: moveExamSession")]),
    Change(
        "tag changed",
        "major",
        [
            ("  - name: exam-sessions\n", "  - name: sessions\n"),
            ("      tags: [exam-sessions]\n", "      tags: [sessions]\n"),
        ],
    ),
    Change(
        "schema renamed",
        "major",
        [
            ("    SessionChange:\n      title: SessionChange\n", "    Change:\n      title: Change\n"),
            ("'#/components/schemas/SessionChange'", "'#/components/schemas/Change'"),
        ],
    ),
    Change(
        "token in another header", "major", [(SECURITY_SCHEME, SECURITY_SCHEME.replace("name: token", "name: x-token"))]
    ),
    Change("bearer token", "major", [(SECURITY_SCHEME, "      type: http\n      scheme: bearer\n")]),
    Change(
        "first server moved",
        "major",
        [("url: https://api.smarterproctoring.com\n", "url: https://api2.smarterproctoring.com\n")],
    ),
    Change(
        "first server no longer the first",
        "major",
        [("servers:\n", "servers:\n  - url: https://eu.api.smarterproctoring.com\n    description: Europe.\n")],
    ),
    Change(
        "servers in another order",
        "major",
        [
            ("  - url: https://api.smarterproctoring.com\n", "  - url: https://SWAP\n"),
            ("  - url: http://api.dev.smarterproctoring.com\n", "  - url: https://api.smarterproctoring.com\n"),
            ("  - url: https://SWAP\n", "  - url: http://api.dev.smarterproctoring.com\n"),
        ],
    ),
    Change("another keyword", "major", [(NOTES, NOTES + "          x-keyword: remarks\n")]),
    Change(
        "server removed",
        "major",
        [
            (
                "  - url: http://api.dev.smarterproctoring.com\n    description: Development, as shown on the operation's page. Plain http, so the client asks for consent first.\n",
                "",
            )
        ],
    ),
    Change(
        "answer of another type",
        "major",
        [(DEFAULT, "              schema:\n                type: integer\n              example: 1\n")],
    ),
    Change(
        "answer in another format",
        "major",
        [
            (
                "          content:\n            application/json:\n" + DEFAULT,
                "          content:\n            text/plain:\n" + DEFAULT,
            )
        ],
    ),
    Change(
        "error response removed", "major", [(NOT_FOUND, "")], base=[("        4XX:\n", NOT_FOUND + "        4XX:\n")]
    ),
    Change(
        "field of an error removed",
        "major",
        [
            (
                "        more_info:\n          type: string\n          description: Where to read on.\n          example: https://developers.smarterservices.com",
                "",
            )
        ],
    ),
    Change(
        "field of an error of another type",
        "major",
        [
            (CODE, "        code:\n          type: integer\n"),
            (
                "          description: The vendor's own error code; a string even where it looks like a number.\n          example: '1203'",
                "          description: The vendor's own error code.\n          example: 1203",
            ),
        ],
    ),
    Change("field of an error no longer always there", "major", [(MESSAGE, "")]),
    Change("field of an error may be null", "major", [(CODE, CODE + "          nullable: true\n")]),
    Change(
        "enum value added to an answer",
        "major",
        [("enum: ['1203']", "enum: ['1203', '1204']")],
        base=[(CODE, CODE + "          enum: ['1203']\n")],
    ),
    Change(
        "field may no longer be null",
        "major",
        [(NOTES + "          nullable: true\n", NOTES)],
        base=[(NOTES, NOTES + "          nullable: true\n")],
    ),
    Change("default of a field", "major", [(NOTES, NOTES + "          default: Moved\n")]),
    Change("field only read", "major", [(NOTES, NOTES + "          readOnly: true\n")]),
    Change(
        "one of two tokens no longer taken",
        "major",
        [("        - token: []\n        - other: []\n", "        - token: []\n")],
        base=[
            ("        - token: []\n", "        - token: []\n        - other: []\n"),
            (SECURITY_SCHEME, SECURITY_SCHEME + "      description: xxxxxxxxxx\n    other:\n" + SECURITY_SCHEME),
        ],
    ),
    Change(
        "format of a field",
        "major",
        [
            (
                "          description: Email address of the proctor.\n",
                "          description: Email address of the proctor.\n          format: email\n",
            )
        ],
    ),
]
