"""Each seeded mistake is refused, and by a rule that was made for it; what is right is let through.

Node.js is started once for all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import spec_lint
import yaml
from once import once
from spec.changes import CODE, DEFAULT, NOT_FOUND, NOTES, PARAMETERS, SECURITY_SCHEME, SESSION_SID, SPEC, apply
from spec.conftest import ROOT, needs_redocly

pytestmark = [needs_redocly, pytest.mark.tooling]

NEW_BEFORE = "components:\n  securitySchemes"
NUMBERED = """\
  /v1/pages/{number}:
    get:
      operationId: getPage
      tags: [exam-sessions]
      summary: Page
      description: Shows a page by its number.
      security: []
      parameters:
        - name: number
          in: path
          required: true
          description: The number of the page.
          schema: {type: integer}
          example: 3
      responses:
        '200':
          description: The page, as it is shown.
          content: {application/json: {schema: {type: string}, example: Page 3}}
        4XX:
          description: There is no such page.
          x-evidence: I
          content: {application/json: {schema: {$ref: '#/components/schemas/Error'}, example: {message: None}}}
        5XX:
          description: Failed on the server's side.
          x-evidence: I
          content: {application/json: {schema: {$ref: '#/components/schemas/Error'}, example: {message: Failed}}}
"""

# What is wrong -> (the edit, a word of the complaint)
MISTAKES: dict[str, tuple[tuple[str, str], str]] = {
    "not YAML": (("openapi: 3.0.3", "openapi: [3.0.3"), "not YAML"),
    "a key twice": ((NOTES, NOTES + "          type: string\n"), "duplicate key"),
    "another OpenAPI": (("openapi: 3.0.3", "openapi: 3.1.0"), "openapi: 3.1.0: this project reads OpenAPI 3.0"),
    "a version that is none": (("  version: 1.0.0\n", "  version: 1.0.0-beta\n"), "rule/version-is-semantic"),
    "no version": (("  version: 1.0.0\n", ""), "struct"),
    "no operationId": (("      operationId: rescheduleExamSession\n", ""), "operation-operationId"),
    "operationId in snake_case": (("rescheduleExamSession", "reschedule_exam_session"), "rule/operation-id-casing"),
    "no tag": (("      tags: [exam-sessions]\n", ""), "rule/operation-has-tag"),
    "empty tags": (("      tags: [exam-sessions]\n", "      tags: []\n"), "rule/operation-has-tag"),
    "two tags": (("      tags: [exam-sessions]\n", "      tags: [exam-sessions, more]\n"), "operation-singular-tag"),
    "an unknown tag": (("      tags: [exam-sessions]\n", "      tags: [sessions]\n"), "operation-tag-defined"),
    "no summary": (("      summary: Reschedule Exam Session\n", ""), "operation-summary"),
    "field without description": (
        ("          description: Free text about the session.\n", ""),
        "rule/property-description",
    ),
    "field with an empty description": (("Free text about the session.", "''"), "rule/property-description"),
    "parameter without description": (("      description: SID of the exam.\n", ""), "parameter-description"),
    "schema without description": (
        ("      description: The system that proctors the session.\n", ""),
        "rule/schema-description",
    ),
    "empty response description": (
        ("description: Failed on the server's side. Whether the change was stored is not known.", "description: ''"),
        "rule/response-description",
    ),
    "example of another type": (
        ("              example: Session rescheduled\n", "              example: 7\n"),
        "no-invalid-media-type-examples",
    ),
    "example with a field that is not there": (
        ("                  firstName: Ada\n", "                  fristName: Ada\n"),
        "no-invalid-media-type-examples",
    ),
    "example outside the enum": (
        ("                  type: ad-hoc\n", "                  type: adhoc\n"),
        "no-invalid-media-type-examples",
    ),
    "field's example of another type": (
        ("          example: 404\n", "          example: not found\n"),
        "no-invalid-schema-examples",
    ),
    "field without example": (
        ("          example: Moved at the student's request\n", ""),
        "scalar-property-missing-example",
    ),
    "SID's example against its pattern": (
        ("      example: ES0123456789abcdef0123456789abcdef", "      example: ES0123456789abcdeX0123456789abcdef"),
        "no-invalid-parameter-examples",
    ),
    "SID without pattern": (
        (SESSION_SID + "        pattern: ^ES[a-f0-9]{32}$\n", SESSION_SID),
        "rule/path-parameter-pattern",
    ),
    "SID without example": (("      example: ES0123456789abcdef0123456789abcdef\n", ""), "rule/path-parameter-example"),
    "path parameter not declared": ((PARAMETERS, ""), "path-parameters-defined"),
    "path parameter not required": (
        ("      name: sessionSid\n      in: path\n      required: true\n", "      name: sessionSid\n      in: path\n"),
        "rule/path-parameter-required",
    ),
    "no security": (("      security:\n        - token: []\n", ""), "rule/security-on-each-operation"),
    "security at the top": (
        ("tags:\n  - name: exam", "security:\n  - token: []\ntags:\n  - name: exam"),
        "rule/no-security-at-the-top",
    ),
    "unknown security": (("        - token: []\n", "        - tokn: []\n"), "security-defined"),
    "apiKey without a name": ((SECURITY_SCHEME, SECURITY_SCHEME.replace("      name: token\n", "")), "name"),
    "no answer for 5XX": (("        5XX:\n", "        '502':\n"), "rule/operation-5xx-response"),
    "security scheme without description": (
        (
            "The API token, sent as it is, without a scheme such as Bearer. It is a JWT and expires. [JWT, expiry V]",
            "A token",
        ),
        "rule/security-scheme-description",
    ),
    "error of another schema": (
        ("        4XX:\n", NOT_FOUND.replace("schemas/Error", "schemas/SystemType") + "        4XX:\n"),
        "rule/error-schema-is-shared",
    ),
    "error schema inline": (
        ("        4XX:\n", NOT_FOUND.replace("$ref: '#/components/schemas/Error'", "type: object") + "        4XX:\n"),
        "rule/error-schema-is-shared",
    ),
    "error without a body": (
        (
            "        4XX:\n",
            "        '404':\n          description: Not found at all.\n          x-evidence: I\n        4XX:\n",
        ),
        "rule/error-has-a-body",
    ),
    "error without evidence": (
        ("        4XX:\n", NOT_FOUND.replace("          x-evidence: V\n", "") + "        4XX:\n"),
        "rule/evidence-of-errors",
    ),
    "an unknown letter": (
        (
            "    description: Scheduled sittings of an exam.\n    x-evidence: I\n",
            "    description: Scheduled sittings of an exam.\n    x-evidence: X\n",
        ),
        "rule/evidence-letter",
    ),
    "an unknown letter of what is read back": (
        (NOTES, NOTES + "          x-reads-back-as: notes\n          x-reads-back-evidence: X\n"),
        "rule/reads-back-evidence",
    ),
    "read back by nothing": (
        (NOTES, NOTES + "          x-reads-back-as: notes\n          x-reads-back-evidence: I\n"),
        "rescheduleExamSession: x-reads-back-as of 'notes': there is no GET on",
    ),
    "a misspelt extension": (
        ("x-before: appointmentEndDateTime", "x-befor: appointmentEndDateTime"),
        "rule/known-extensions",
    ),
    "$ref to nothing": (
        ("- $ref: '#/components/parameters/ExamSid'", "- $ref: '#/components/parameters/ExamSID'"),
        "no-unresolved-refs",
    ),
    "a schema nobody uses": (
        ("    Error:\n", "    Unused:\n      type: string\n      description: Used by nobody.\n    Error:\n"),
        "no-unused-components",
    ),
    "required, but not there": (
        ("      required: [message]\n", "      required: [mesage]\n"),  # codespell:ignore mesage
        "no-required-schema-properties-undefined",
    ),
    "enum value twice": (("        - ad-hoc\n", "        - ad-hoc\n        - ad-hoc\n"), "enum"),
    "enum value of another type": (("        - ad-hoc\n", "        - 7\n"), "no-enum-type-mismatch"),
    "misspelt keyword": ((CODE, "        code:\n          typ: string\n"), "struct"),
    "a type that is none": ((NOTES, NOTES.replace("string", "text")), "type"),
    "a description beside $ref": (
        (
            "          $ref: '#/components/schemas/SystemType'\n",
            "          $ref: '#/components/schemas/SystemType'\n          description: Lost beside a reference.\n",
        ),
        "spec-ref-siblings",
    ),
    "a default against the type": ((NOTES, NOTES + "          default: 7\n"), "is not of type"),
    "the same path twice": (
        (
            "components:\n  securitySchemes",
            "  /v1/installs/{a}/exams/{b}/sessions/{c}:\n    get: {}\ncomponents:\n  securitySchemes",
        ),
        "paths",
    ),
    "a slash at the end of the path": (
        ("/sessions/{sessionSid}:", "/sessions/{sessionSid}/:"),
        "no-path-trailing-slash",
    ),
    "answer without a schema": ((DEFAULT, "              example: Session rescheduled\n"), "rule/content-has-a-schema"),
}


# What is right, though another project's rules may refuse it -> the edit
RIGHT: dict[str, list[tuple[str, str]]] = {
    "an operation without security, and an integer in its path": [(NEW_BEFORE, NUMBERED + NEW_BEFORE)],
    "another keyword": [(NOTES, NOTES + "          x-keyword: remarks\n")],
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Lint one spec for each mistake, and one without any."""

    def lint(folder: Path) -> None:
        (folder / "found.json").write_text(json.dumps(all_found(folder)))

    result: dict[str, list[str]] = json.loads((once(tmp_path_factory, "mistakes", lint) / "found.json").read_text())
    return result


def all_found(folder: Path) -> dict[str, list[str]]:
    """Write these specs into a folder and lint them all."""
    text = SPEC.read_text()
    files: dict[str, Path] = {}
    for number, (name, (edit, _)) in enumerate({"none": (("x-evidence: V", "x-evidence: V"), ""), **MISTAKES}.items()):
        files[name] = folder / f"{number}.yaml"
        files[name].write_text(text if name == "none" else apply(text, [edit]))
    for name, edits in RIGHT.items():
        files[name] = folder / f"{name}.yaml"
        files[name].write_text(apply(text, edits))
    files["ours"] = ROOT / "openapi" / "smarterproctoring.yaml"
    mistakes = spec_lint.lint(list(files.values()))
    return {name: mistakes[file] for name, file in files.items()}


def test_the_spec_has_no_mistakes(found: dict[str, list[str]]) -> None:
    assert found["ours"] == []
    assert found["none"] == []


@pytest.mark.parametrize("name", RIGHT)
def test_let_through(name: str, found: dict[str, list[str]]) -> None:
    assert found[name] == []


@pytest.mark.parametrize("name", MISTAKES)
def test_refused(name: str, found: dict[str, list[str]]) -> None:
    word = MISTAKES[name][1]
    assert any(word in mistake for mistake in found[name]), found[name]


def test_every_rule_of_our_own_has_a_mistake_that_it_refuses() -> None:
    rules: dict[str, object] = yaml.safe_load((ROOT / "openapi" / "redocly.yaml").read_text())["rules"]
    words = [word for _, word in MISTAKES.values() if word]
    seeded = {rule for rule in rules if any(rule.startswith(word) for word in words)}
    assert {rule for rule in rules if rule.startswith("rule/")} <= seeded


def test_the_command_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(apply(SPEC.read_text(), [("      summary: Reschedule Exam Session\n", "")]))
    done = subprocess.run(
        [sys.executable, spec_lint.__file__, SPEC, wrong], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == f"{SPEC}: no mistakes\n"
    assert "operation-summary: " in done.stderr
    assert done.stderr.startswith(f"{wrong}:")
