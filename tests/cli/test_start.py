"""What a command loads before it does anything: a budget on the modules, not on time."""

from __future__ import annotations

import json
import os
import pickle
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import smarterproctoring
from cli.commands import SIDS, TOKEN
from smarterproctoring import SmarterProctoring
from smarterproctoring.dry_run import DryClient
from smarterproctoring.settings import Options
from smarterproctoring_mock import RunningServer

pytestmark = pytest.mark.slow  # each starts processes

HTTP = {"httpx", "httpcore", "h11", "anyio", "ssl", "smarterproctoring.client"}
MODELS = {"attr", "attrs", "dateutil", "smarterproctoring_generated.models", "smarterproctoring_generated.client"}
DURABLE = {"dbos", "sqlalchemy", "psycopg"}
TERMINAL = {"rich", "pygments", "tqdm"}
ALWAYS = MODELS | {"rich", "pygments"}
"""What no command needs; generated models come with the first answer that is parsed."""
DRY_RUN = ("reschedule", *SIDS, "--start", "2030-05-04T10:00Z", "--allow-far", "--dry-run")
PROGRAM = """
import json, sys
for name in ("rich", "pygments"):
    sys.modules[name] = None  # httpx loads them where they are installed, as for the tests
sys.argv = ["smarterproctoring", *json.loads(sys.argv[1])]
from smarterproctoring.cli import main
try:
    main()
except SystemExit as ended:
    print(json.dumps({"code": ended.code or 0, "loaded": [name for name, module in sys.modules.items() if module]}))
"""


def loaded(*words: str, **more: str) -> set[str]:
    """Run a command in a fresh process; return the modules that it has loaded in the end."""
    inherited = ("PATH", "PYTHONPATH", "HOME", "SYSTEMROOT")
    environment = {name: value for name, value in os.environ.items() if name in inherited}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(words)], env={**environment, **more},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert found["code"] == 0, done.stderr
    return set(found["loaded"])


@pytest.mark.parametrize("words", [("--version",), ("--help",), DRY_RUN, (*DRY_RUN, "--json")])
def test_a_command_that_sends_nothing_loads_no_http(words: tuple[str, ...]) -> None:
    found = loaded(*words)
    assert found & (HTTP - {"ssl"} | ALWAYS | DURABLE | TERMINAL) == set()
    if words != ("--help",):  # which names the commands of other distributions, and loads the doctor's urllib
        assert not {"importlib.metadata", "ssl"} & found


def test_show_loads_neither_models_nor_bulk(server: RunningServer) -> None:
    found = loaded("show", *SIDS, SMARTERPROCTORING_TOKEN=TOKEN, SMARTERPROCTORING_BASE_URL=server.url)
    assert found & (DURABLE | TERMINAL) == set()
    assert not any(name.startswith("smarterproctoring_bulk") for name in found)
    assert "httpx" in found  # so that the tests here can fail


@pytest.fixture(name="journal")
def a_journal(tmp_path: Path, server: RunningServer) -> str:
    (tmp_path / "list.csv").write_text(f"install_sid,exam_sid,session_sid,start\n{','.join(SIDS)},2030-05-04T10:00Z\n")
    journal = str(tmp_path / "journal.sqlite")
    words = ("bulk", "submit", str(tmp_path / "list.csv"), "--allow-far", "--yes", "--base-url", server.url)
    assert DURABLE & loaded(*words, SMARTERPROCTORING_BULK_JOURNAL=journal, SMARTERPROCTORING_TOKEN=TOKEN)
    return journal


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["", "json"])
def test_the_status_of_bulk_loads_neither_http_nor_the_engine(journal: str, more: tuple[str, ...]) -> None:
    found = loaded("bulk", "status", "--journal", journal, *more)
    assert found & (HTTP | ALWAYS | DURABLE | TERMINAL) == set()


def test_a_dry_run_of_a_list_and_a_report_do_not_load_dbos(journal: str, tmp_path: Path) -> None:
    dry_run = loaded(
        "bulk", "run", str(tmp_path / "list.csv"), "--allow-far", "--dry-run", "--journal", journal,
        SMARTERPROCTORING_BASE_URL="http://127.0.0.1:9",
    )  # fmt: skip
    assert "dbos" not in dry_run
    (job,) = json.loads(status(journal))
    assert "dbos" not in loaded("bulk", "report", job["job"], str(tmp_path / "report.csv"), "--journal", journal)


def status(journal: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "smarterproctoring.cli", "bulk", "status", "--json", "--journal", journal],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_the_status_of_no_journal_makes_none(tmp_path: Path) -> None:
    journal = tmp_path / "folder" / "journal.sqlite"
    assert json.loads(status(str(journal))) == []
    assert not journal.parent.exists()


# -- the dry run without httpx -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("base_url", ["https://api.smarterproctoring.com", "https://x-1.example.org/under/it/"])
@pytest.mark.parametrize("fields", [{}, {"notes": "é"}, {"appointment_start_date_time": "2030-05-04T10:00:00Z"}])
def test_a_dry_run_without_httpx_is_what_the_client_would_send(base_url: str, fields: dict[str, str]) -> None:
    dry = DryClient(base_url, Options(allow_empty=True))
    with SmarterProctoring(TOKEN, base_url=base_url, allow_empty=True) as client:
        assert dry.dry_run_reschedule(*SIDS, **fields) == client.dry_run_reschedule(*SIDS, **fields)  # type: ignore[arg-type]
        assert dry.dry_run_get_session(*SIDS) == client.dry_run_get_session(*SIDS)


@pytest.mark.parametrize(
    "variables",
    [
        {"SMARTERPROCTORING_BASE_URL": "https://API.example.org"},
        {"SMARTERPROCTORING_BASE_URL": "https://api.example.org:443/a/../b"},
        {"https_proxy": "http://127.0.0.1:9"},
        {"SSL_CERT_DIR": "/"},
    ],
)
def test_a_dry_run_asks_httpx_where_only_that_can_tell(variables: dict[str, str]) -> None:
    assert "httpx" in loaded(*DRY_RUN, **variables)


# -- the package's names -----------------------------------------------------------------------------------------------


def names() -> set[str]:
    namespace: dict[str, object] = {}
    exec("from smarterproctoring import *", namespace)  # noqa: S102 - what is tested
    return {name for name in namespace if not name.startswith("__")}


def test_the_package_itself_loads_no_http() -> None:
    code = "import sys, smarterproctoring; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HTTP & {*done.stdout.split()}


def test_the_clients_load_little_beside_httpx() -> None:
    code = """
import sys, httpx
before = {*sys.modules}
from smarterproctoring import AsyncSmarterProctoring, SmarterProctoring
print(*({*sys.modules} - before))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = {*done.stdout.split()}
    assert "smarterproctoring.client" in new
    others = {name for name in new if not name.startswith("smarterproctoring")}
    assert others <= {"dataclasses", "contextvars", "_contextvars"}
    needless = {"cli", "otel", "profiles", "times", "token_file", "zones"}
    assert not {f"smarterproctoring.{name}" for name in needless} & new
    assert not {"smarterproctoring_generated.models", "smarterproctoring_generated.client"} & new
    assert not {"smarterproctoring_transport.connections", "smarterproctoring_transport.fast"} & new


def test_a_star_gives_every_public_name() -> None:
    source = Path(str(smarterproctoring.__file__)).read_text(encoding="utf-8")
    block = source.partition("if TYPE_CHECKING:\n")[2].partition("\n__version__")[0]
    declared = {*re.findall(r" as (\w+)", block)} - {"_API_VERSION"}
    assert "SmarterProctoring" in declared
    assert names() == declared


def test_dir_and_help_show_every_name() -> None:
    assert {*names(), "__version__", "__api_version__"} <= {*dir(smarterproctoring)}
    shown = pydoc.plain(pydoc.render_doc(smarterproctoring))
    assert "class AsyncSmarterProctoring" in shown
    assert "class UnconfirmedError" in shown


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="module 'smarterproctoring' has no attribute 'Nothing'"):
        smarterproctoring.Nothing  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'Nothing'"):
        from smarterproctoring import Nothing  # type: ignore[attr-defined]  # noqa: F401


def test_what_is_pickled_is_read_by_a_process_that_has_used_nothing_yet() -> None:
    pickled = pickle.dumps(smarterproctoring.NotFoundError("x", maybe_applied=False)).hex()
    code = f"import pickle; print(type(pickle.loads(bytes.fromhex({pickled!r}))).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "NotFoundError"
