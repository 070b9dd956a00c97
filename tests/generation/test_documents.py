"""The pipeline on descriptions that others wrote: generate, types, mock server, one call of each operation.

The files in documents/ name their licences and what was changed; what the originals have that this project cannot carry
out is refused in words.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import spec_model
from generation.documents import CALLS
from generator.emitting import emit_modules
from generator.swapping import build
from ruamel.yaml import YAML
from spec_model import GenerationError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = Path(__file__).with_name("documents")
RUN = Path(__file__).with_name("documents_run.py")
pytestmark = pytest.mark.tooling


@pytest.mark.parametrize("name", CALLS)
def test_every_operation_works(tmp_path: Path, name: str) -> None:
    spec = DOCUMENTS / f"{name}.yaml"
    build(spec, ROOT / "generator-config.yml", tmp_path)
    paths = [tmp_path / "generated", *(ROOT / folder for folder in ("overrides", "mock", "transport", "tests"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(RUN), name, str(spec)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def museum(document: Any) -> None:
    answers = document["paths"]["/tickets/{ticketId}/qr"]["get"]["responses"]
    answers["200"]["content"] = {"image/png": {"schema": {"type": "string", "format": "binary"}}}


def petstore(document: Any) -> None:
    document["paths"]["/user/{username}"]["put"]["parameters"][0].pop("x-keyword")


def upload(document: Any) -> None:
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    document["paths"]["/pet/{petId}"]["put"] = {
        "operationId": "uploadFile",
        "parameters": document["paths"]["/pet/{petId}"]["get"]["parameters"],
        "requestBody": {"content": content},
        "responses": {"200": {"description": "Taken."}},
    }


def signed_in(document: Any) -> None:
    document["components"]["securitySchemes"]["api_key"] = {"type": "http", "scheme": "basic"}


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("museum", museum, "getTicketCode: response 200 is image/png"),
        ("petstore", petstore, "updateUser: 'username' (path) and 'username' (body) would both be the keyword"),
        ("petstore", upload, "uploadFile: the body is not JSON (application/octet-stream)"),
        ("petstore", signed_in, "security api_key is not one apiKey in a header"),
        ("trains", lambda document: document.update(openapi="3.1.0"), "openapi: 3.1.0: this project reads OpenAPI 3.0"),
    ],
)
def test_what_the_originals_have_is_refused_in_words(tmp_path: Path, name: str, change: Any, words: str) -> None:
    document = YAML(typ="safe").load(DOCUMENTS / f"{name}.yaml")
    change(document)
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(document))
    with pytest.raises(GenerationError) as refused:
        emit_modules(spec_model.Spec(path))
    assert words in str(refused.value)
