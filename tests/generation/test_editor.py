"""What `help()` and an editor show of the clients: each option and field with its type, default and meaning."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest
import smarterproctoring
from generation.language_server import ROOT, SERVER, LanguageServer
from smarterproctoring.settings import Options
from smarterproctoring_generated.operations import RESCHEDULE_EXAM_SESSION

CLIENTS = (smarterproctoring.SmarterProctoring, smarterproctoring.AsyncSmarterProctoring)
OPTIONS = set(typing.get_type_hints(smarterproctoring.Settings))
CALL_OPTIONS = set(typing.get_type_hints(smarterproctoring.CallOptions))
CODE = """\
from smarterproctoring import SmarterProctoring

client = SmarterProctoring("token", deadline=20)
client.with_options(deadline=5)
SmarterProctoring.from_env(verify=False)
client.reschedule("a", "b", "c", notes="x")
SmarterProctoring("token", retries=1)
client.with_options(retries=1)
client.reschedule("a", "b", "c", notes="x")
install = client.for_install("a")
install.reschedule("b", "c", notes="x")
"""
needs_pyright = pytest.mark.skipif(
    not SERVER.exists(), reason="pyright is not installed; `make node_modules/.ready` installs it (npm is needed)"
)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_help_shows_each_option_with_its_default_and_its_meaning(client: type) -> None:
    parameters = dict(inspect.signature(client).parameters)
    assert parameters.pop("token").default is inspect.Parameter.empty
    assert set(parameters) == OPTIONS
    shown = inspect.getdoc(inspect.getattr_static(client, "__init__")) or ""
    for name, parameter in parameters.items():
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty, name
        assert f"\n    {name}: " in shown


def test_the_defaults_that_are_shown_are_those_of_the_options() -> None:
    parameters = inspect.signature(smarterproctoring.SmarterProctoring).parameters
    assert vars(Options()).keys() == CALL_OPTIONS
    assert {name: parameters[name].default for name in CALL_OPTIONS} == vars(Options())


def test_option_and_field_types_are_exported() -> None:
    for name in ("Settings", "CallOptions", "ReadBack", "CallHooks", "RetryHook", "Timeouts", "TokenSource", "Verdict"):
        assert hasattr(smarterproctoring, name)
    fields = typing.get_type_hints(smarterproctoring.RescheduleExamSessionFields)
    assert set(fields) == {field.keyword for field in RESCHEDULE_EXAM_SESSION.fields}


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("editor")
    (folder / "code.py").write_text(CODE)
    folders = [str(ROOT / name) for name in ("generated", "overrides", "transport")]
    (folder / "pyrightconfig.json").write_text(json.dumps({"extraPaths": folders, "pythonVersion": "3.11"}))
    with LanguageServer(folder) as server:
        server.open(folder / "code.py")
        yield Editor(server, folder / "code.py")


class Editor:
    """The code above, as it is open in an editor."""

    def __init__(self, server: LanguageServer, file: Path) -> None:
        self.server = server
        self.file = file

    def hover(self, line: int, word: str) -> str:
        """Return what is shown at the first place of a word in a line (counted from 1)."""
        column = CODE.splitlines()[line - 1].index(word)
        return self.server.hover(self.file, line - 1, column + 1)

    def offered(self, line: int, word: str) -> set[str]:
        """Return the keywords that are offered in front of a word in a line; the word itself is not among them."""
        column = CODE.splitlines()[line - 1].index(word)
        offered = self.server.completions(self.file, line - 1, column)
        return {word.removesuffix("=") for word in offered if word.endswith("=")}

    def signature(self, line: int) -> str:
        """Return the signature of the call that ends a line."""
        column = CODE.splitlines()[line - 1].rindex(")")
        return self.server.signature(self.file, line - 1, column)


@pytest.mark.tooling
@pytest.mark.slow
@needs_pyright
def test_an_editor_shows_each_option_and_field_at_the_call(editor: Editor) -> None:
    assert "deadline: float = 60" in editor.hover(3, "SmarterProctoring(")
    assert 'read_back: ReadBack = "when_unsure"' in editor.signature(7)
    assert "Seconds for the whole call" in editor.hover(3, "deadline")
    assert "Seconds for the whole call" in editor.hover(4, "deadline")
    assert "Certificates to trust: True (the default)" in editor.hover(5, "verify")
    assert "notes: Free text about the session." in editor.hover(6, "notes")
    assert editor.offered(7, "retries") == (OPTIONS | {"token"}) - {"retries"}
    assert editor.offered(8, "retries") == CALL_OPTIONS - {"retries"}
    keywords = {parameter.keyword for parameter in RESCHEDULE_EXAM_SESSION.parameters}
    keywords |= {field.keyword for field in RESCHEDULE_EXAM_SESSION.fields}
    assert editor.offered(9, "notes") == keywords - {"notes"}
    assert "connections, options and retry budget" in editor.hover(10, "for_install")
    assert "Reschedule Exam Session." in editor.hover(11, "reschedule")
    assert "install_sid" not in editor.hover(11, "reschedule")
    assert "notes: Free text about the session." in editor.hover(11, "notes")
    assert editor.signature(11).startswith("(exam_sid: str, session_sid: str, *, type: ")
    assert editor.offered(11, "notes") == keywords - {"install_sid", "notes"}
