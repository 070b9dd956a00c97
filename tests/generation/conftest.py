"""What the tests of the pipeline share: the generator as a module and as a command, and scratch specs."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from once import once

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "generate.py"
SESSION_PATH = "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}"
Spec = dict[str, Any]
Generate = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def generate() -> Generate:
    """Runs tools/generate.py as a command; the output folder has to be named, so that no test hits the checkout's."""

    def run(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
        assert "--output" in arguments or arguments == ("--check",)
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        env = {**os.environ, **environment}
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=100)

    return run


@pytest.fixture(scope="session")
def committed_spec() -> Spec:
    document: Spec = yaml.safe_load((ROOT / "openapi" / "smarterproctoring.yaml").read_text(encoding="utf-8"))
    return document


@pytest.fixture
def document(committed_spec: Spec) -> Spec:
    """A copy of the spec to spoil."""
    return copy.deepcopy(committed_spec)


@pytest.fixture(scope="session")
def second_operation(
    committed_spec: Spec, generate: Generate, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Spec]:
    """`generated/` made from a scratch copy of the spec with more operations and a 19th field, and that spec."""
    spec = more_operations(copy.deepcopy(committed_spec))

    def made(folder: Path) -> None:
        (folder / "spec.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False), encoding="utf-8")
        done = generate("--spec", folder / "spec.yaml", "--output", folder / "generated", cwd=folder)
        assert done.returncode == 0, done.stderr

    return once(tmp_path_factory, "second-operation", made) / "generated", spec


def more_operations(spec: Spec) -> Spec:
    """Add what a next version of the API may bring, in the shapes that generators stumble over."""

    def json_of(name: str) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}

    failed = {"description": "Failed.", "content": json_of("Error")}
    time = {"type": "string", "format": "date-time"}
    sids = [{"$ref": f"#/components/parameters/{name}"} for name in ("InstallSid", "ExamSid", "SessionSid")]
    spec["security"] = [{"token": []}]
    spec["paths"][f"{SESSION_PATH}/view"] = {}
    spec["paths"][f"{SESSION_PATH}/view"]["get"] = {
        "operationId": "viewExamSession",
        "tags": ["exam-sessions", "sittings"],
        "description": 'A »session«, with "quotes", a \\backslash, \'\'\'three\'\'\' and """three""".\nTwo lines.',
        "security": [{"token": []}],
        # Not in the path's order, which the overrides must not depend on.
        "parameters": [
            *reversed(sids),
            {"name": "since", "in": "query", "schema": time},
            {
                "name": "enrollmentSid",
                "in": "query",
                "required": True,
                "schema": {"type": "string", "pattern": "^EN[a-f0-9]{32}$"},
            },
        ],
        "responses": {
            "200": {"description": "The session.", "content": json_of("SessionView")},
            "404": failed,
            "4XX": failed,
            "5XX": failed,
        },
    }
    spec["paths"]["/v1/installs/{installSid}/exams/{examSid}/sessions"] = {
        "parameters": sids[:2],
        "post": {
            "operationId": "createExamSession",  # the security of the whole document counts
            "requestBody": {"required": True, "content": json_of("SessionPlan")},
            "responses": {"201": {"description": "Made.", "content": json_of("SessionView")}, "default": failed},
        },
    }
    spec["paths"]["/v1/installs/{installSid}/exams"] = {
        "parameters": sids[:1],
        "post": {
            "operationId": "findExams",
            "x-idempotent": True,
            "security": [{"token": []}],
            "requestBody": {"required": True, "content": json_of("Window")},
            "responses": {"200": {"description": "Found."}},
        },
    }
    spec["paths"]["/v1/status"] = {
        "get": {
            "operationId": "getStatus",
            "security": [],
            "parameters": [{"name": "X-Trace", "in": "header", "schema": {"type": "string"}}],
            "responses": {"204": {"description": "Up."}},
        }
    }
    schemas = spec["components"]["schemas"]
    schemas["SessionChange"]["properties"]["accommodationMinutes"] = {"type": "integer", "description": "Extra time."}
    schemas["SessionView"] = {
        "type": "object",
        "required": ["sid", "startsAt"],
        "properties": {"sid": {"type": "string"}, "startsAt": time},
    }
    schemas["Window"] = {
        "type": "object",
        "properties": {
            "opensAt": time,
            "breaks": {"type": "array", "items": {"type": "object", "properties": {"at": time}}},
        },
    }
    schemas["SessionPlan"] = {
        "allOf": [
            {
                "type": "object",
                "required": ["window"],
                "properties": {"window": {"$ref": "#/components/schemas/Window"}},
            },
            {
                "type": "object",
                "properties": {
                    "class": {"type": "string", "description": 'Prüfung "A"\\B,\nzweite Zeile'},
                    "attempts": {"type": "integer", "enum": [1, 2, 3]},
                    "type": {"allOf": [{"$ref": "#/components/schemas/SystemType"}], "description": "Who proctors."},
                },
            },
        ]
    }
    return spec
