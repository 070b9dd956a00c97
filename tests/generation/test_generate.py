"""tools/generate.py: the same bytes everywhere, nothing that is wrong gets through, a failed run changes nothing."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import generate as generate_script
import generator
import pytest
import spec_model
import yaml
from generator import checking, swapping, upstream
from generator.emitting import emit_modules
from generator.output import FIXED
from generator.upstream import TemplateFix
from once import once
from spec_model import GenerationError

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "smarterproctoring_generated"
SESSION_PATH = "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}"
FIX = "run: make generate"
Spec = dict[str, Any]
pytestmark = pytest.mark.tooling
Generate = Callable[..., "subprocess.CompletedProcess[str]"]
Refuse = Callable[..., str]


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def write(folder: Path, spec: Spec) -> Path:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def made(generate: Generate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`generated/` made from the committed spec in a folder whose settings would spoil it."""

    def make(folder: Path) -> None:
        spoiling_settings(folder)
        before = {path.name for path in folder.iterdir()}
        done = generate("--output", folder / "generated", cwd=folder, PYTHONHASHSEED="1", LC_ALL="C")
        assert done.returncode == 0, done.stderr
        assert {path.name for path in folder.iterdir()} == {*before, "generated"}

    return once(tmp_path_factory, "hostile", make) / "generated"


def spoiling_settings(folder: Path) -> None:
    """Write settings of the formatter and of mypy that generation must not heed."""
    (folder / "ruff.toml").write_text("line-length = 40\n[format]\nquote-style = 'single'\nindent-style = 'tab'\n")
    (folder / "pyproject.toml").write_text("[tool.ruff]\nline-length = 40\n[tool.mypy]\nignore_errors = true\n")
    (folder / "mypy.ini").write_text("[mypy]\npython_version = 2.7\n")


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Path:
    """A copy of the generated folder, to be spoilt or to stay as it is."""
    return Path(shutil.copytree(made, tmp_path / "generated"))


@pytest.fixture
def signals() -> Iterator[None]:
    """Put the signal handlers back that the command sets."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.fixture
def refuse(output: Path, signals: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refuse:
    """Run the command in this process on a scratch folder: it must fail and change nothing. Returns its message."""

    def run(*arguments: object) -> str:
        before, beside = files(output), sorted(output.parent.iterdir())
        monkeypatch.setattr(sys, "argv", ["generate.py", "--output", str(output), *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            generate_script.main()
        assert capsys.readouterr().out == ""
        assert files(output) == before
        assert sorted(output.parent.iterdir()) == beside
        message = str(ended.value.code)
        assert message.startswith("error: ")
        assert FIX in message
        return message

    return run


# -- what is made --------------------------------------------------------------------------------------------------


@pytest.fixture
def built_before(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made before stands for what the command builds."""

    def build(spec_path: Path, config_path: Path, aside: Path) -> Path:
        return Path(shutil.copytree(made, aside / "generated"))

    monkeypatch.setattr(swapping, "build", build)


def test_committed_folder_is_what_the_spec_gives(generate: Generate, made: Path) -> None:
    """The same bytes from two runs, in other folders and with other hashes."""
    assert files(ROOT / "generated") == files(made)
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "generated").rglob("*.*")}
    done = generate("--check", cwd=Path("/"), PYTHONHASHSEED="2")
    assert (done.returncode, done.stdout) == (0, "generated/ is exactly what the spec says\n"), done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (ROOT / "generated").rglob("*.*")}


@pytest.mark.usefixtures("built_before", "signals")
def test_a_folder_is_replaced_only_if_it_is_not_what_it_should_be(made: Path, output: Path) -> None:
    inode = output.stat().st_ino
    arguments = ROOT / "openapi/smarterproctoring.yaml", ROOT / "generator-config.yml", output
    assert swapping.replace(*arguments) == "generated/ is unchanged"
    assert files(output) == files(made)
    assert output.stat().st_ino == inode
    edit(output)
    assert swapping.replace(*arguments).startswith("generated/ was replaced")
    assert files(output) == files(made)
    assert output.stat().st_ino != inode
    assert list(output.parent.iterdir()) == [output]


def test_provenance_names_spec_config_and_tools(made: Path) -> None:
    def sha256(path: str) -> str:
        return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()

    spec = yaml.safe_load((ROOT / "openapi/smarterproctoring.yaml").read_text(encoding="utf-8"))
    assert json.loads((made / "PROVENANCE.json").read_text()) == {
        "spec": {"version": spec["info"]["version"], "sha256": sha256("openapi/smarterproctoring.yaml")},
        "config": {"sha256": sha256("generator-config.yml")},
        "generator": {"openapi-python-client": importlib.metadata.version("openapi-python-client")},
        "formatter": {"ruff": importlib.metadata.version("ruff")},
    }


def test_every_file_is_marked(made: Path) -> None:
    modules = [path for path in made.rglob("*") if path.suffix == ".py"]
    assert len(modules) > 10
    for module in modules:
        fixed = module.parent.name == PACKAGE and module.name in FIXED
        source = f"tools/generator/templates/{module.name}.jinja" if fixed else "openapi/smarterproctoring.yaml"
        mark = f"# Generated by tools/generate.py from {source}. Do not edit: "
        assert module.read_text(encoding="utf-8").startswith(mark), module
        assert (ROOT / source).exists()
    assert "never edited" in (made / "README.md").read_text()
    rest = {path.name for path in made.rglob("*") if path.is_file()} - {path.name for path in modules}
    assert rest == {"README.md", "PROVENANCE.json", "py.typed"}


def run_module(source: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": f"{PACKAGE}.operations_under_test", "__package__": PACKAGE}
    exec(compile(source, "operations.py", "exec", dont_inherit=True), names)  # noqa: S102 - what generation wrote
    return names


def test_operations_hold_every_template_pattern_and_date_time(made: Path, committed_spec: Spec) -> None:
    operations = run_module((made / PACKAGE / "operations.py").read_text(encoding="utf-8"))
    read, only = operations["OPERATIONS"]
    ((path, item),) = committed_spec["paths"].items()
    assert (read.path, read.method, read.operation_id) == (path, "GET", item["get"]["operationId"])
    assert (only.path, only.method, only.operation_id) == (path, "PUT", item["put"]["operationId"])
    assert [field.name for field in read.answer] == list(
        committed_spec["components"]["schemas"]["ExamSession"]["properties"]
    )
    assert (only.answer, only.read_by, only.check) == ((), "getExamSession", "check")
    assert (read.read_by, read.check, read.fields) == ("", "", ())
    parameters = committed_spec["components"]["parameters"].values()
    assert {p.name: p.pattern for p in only.parameters} == {p["name"]: p["schema"]["pattern"] for p in parameters}
    properties = committed_spec["components"]["schemas"]["SessionChange"]["properties"]
    assert [field.name for field in only.fields] == list(properties)
    assert len(properties) == 18
    for field in only.fields:
        prop = properties[field.name]
        assert (field.pattern, field.format) == (prop.get("pattern"), prop.get("format"))
        assert (field.sensitive, field.reads_back_as) == (prop.get("x-sensitive", ""), prop.get("x-reads-back-as", ""))
    dated = {(name,) for name, prop in properties.items() if prop.get("format") == "date-time"}
    assert set(only.date_times) == dated
    assert len(dated) == 3
    assert only.fields[0].allowed == tuple(committed_spec["components"]["schemas"]["SystemType"]["enum"])
    assert operations["VERSION"] == committed_spec["info"]["version"]
    assert list(operations["SERVERS"]) == [server["url"] for server in committed_spec["servers"]]


def test_operations_of_a_richer_spec(second_operation: tuple[Path, Spec]) -> None:
    folder, spec = second_operation
    source = (folder / PACKAGE / "operations.py").read_text(encoding="utf-8")
    operations = run_module(source)
    known = {operation.operation_id: operation for operation in operations["OPERATIONS"]}
    assert len(known) == 6
    get, post, status = known["viewExamSession"], known["createExamSession"], known["getStatus"]
    assert {known["rescheduleExamSession"].token_header, get.token_header, post.token_header} == {"token"}
    assert status.token_header is None
    # In the path's order, whatever the spec's; those of the path item are there; the query is checked too.
    assert [p.keyword for p in get.parameters][:3] == ["install_sid", "exam_sid", "session_sid"]
    assert [p.keyword for p in post.parameters] == ["install_sid", "exam_sid"]
    query = {p.name: (p.pattern, p.format) for p in get.parameters if p.location == "query"}
    assert query == {"since": (None, "date-time"), "enrollmentSid": ("^EN[a-f0-9]{32}$", None)}
    # Behind $ref, allOf and in arrays.
    assert post.date_times == (("window", "opensAt"), ("window", "breaks", "*", "at"))
    fields = {field.name: field for field in post.fields}
    assert fields["window"].required
    assert fields["class"].keyword == "class_"
    assert fields["class"].description == 'Prüfung "A"\\B, zweite Zeile'
    assert fields["type"].allowed == tuple(spec["components"]["schemas"]["SystemType"]["enum"])
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    hints = {
        node.target.id: ast.unparse(node.annotation)
        for node in classes["CreateExamSessionFields"].body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    assert hints["attempts"] == "Literal[1, 2, 3] | None"
    assert hints["window"] == "Required[Mapping[str, Any]]"
    assert "»session«" in (folder / PACKAGE / "api/exam_sessions/view_exam_session.py").read_text(encoding="utf-8")


def test_the_more_exact_path_is_found_first(document: Spec, tmp_path: Path) -> None:
    for path in ("/v1/sessions/{sid}", "/v1/sessions/latest"):
        parameters = [{"name": "sid", "in": "path", "required": True, "schema": {"type": "string"}}] * ("{" in path)
        operation = {
            "operationId": f"get{path[-4:-1]}",
            "parameters": parameters,
            "responses": {"204": {"description": "Done."}},
        }
        document["paths"][path] = {"get": operation}
    found = run_module(emit_modules(spec_model.Spec(write(tmp_path, document)))["operations.py"])["OPERATIONS"]
    paths = [operation.path for operation in found]
    assert paths.index("/v1/sessions/latest") < paths.index("/v1/sessions/{sid}")


# -- what --check refuses -----------------------------------------------------------------------------------------


def edit(folder: Path) -> str:
    path = folder / PACKAGE / "client.py"
    path.write_text(path.read_text(encoding="utf-8").replace("Bearer", "Bear"), encoding="utf-8")
    return "+++ generated/smarterproctoring_generated/client.py (from the spec)"


def add(folder: Path) -> str:
    (folder / PACKAGE / "extra.py").write_text("")
    return "does not belong there: generated/smarterproctoring_generated/extra.py"


def delete(folder: Path) -> str:
    (folder / "PROVENANCE.json").unlink()
    return "missing: generated/PROVENANCE.json"


@pytest.mark.usefixtures("built_before")
def test_check_refuses_tampered_folders_and_changes_nothing(refuse: Refuse, output: Path) -> None:
    expected = [spoil(output) for spoil in (edit, add, delete)]
    message = refuse("--check")
    for line in [*expected, "generated/ is not what the spec says"]:
        assert line in message


@pytest.mark.parametrize("spoil", [edit, add, delete])
def test_each_kind_of_difference_alone_is_seen(made: Path, output: Path, spoil: Callable[[Path], str]) -> None:
    assert list(swapping.differences(made, output)) == []
    line = spoil(output)
    assert line in list(swapping.differences(made, output))


# -- what generation refuses, the folder staying as it was ----------------------------------------------------------


def parameter(**changes: Any) -> dict[str, Any]:
    return {"name": "extra", "in": "query", "schema": {"type": "string"}, **changes}


def operation_of(spec: Spec) -> dict[str, Any]:
    operation: dict[str, Any] = spec["paths"][SESSION_PATH]["put"]
    return operation


def properties_of(spec: Spec) -> dict[str, Any]:
    properties: dict[str, Any] = spec["components"]["schemas"]["SessionChange"]["properties"]
    return properties


def dropped(spec: Spec) -> str:
    operation_of(spec)["parameters"].append(parameter(**{"in": "path", "name": "unknown", "required": True}))
    return "the path parameter 'unknown' is not in /v1/installs/"


def lost_parameter(spec: Spec) -> str:
    operation_of(spec)["parameters"][0] = {"$ref": "#/components/parameters/Nobody"}
    return "$ref '#/components/parameters/Nobody' points at nothing"


def lost_schema(spec: Spec) -> str:
    properties_of(spec)["type"] = {"$ref": "#/components/schemas/Nothing"}
    return "$ref '#/components/schemas/Nothing' points at nothing"


@pytest.mark.parametrize("spoil", [dropped, lost_parameter, lost_schema])
def test_spoilt_spec_changes_nothing(
    refuse: Refuse, document: Spec, tmp_path: Path, spoil: Callable[[Spec], str]
) -> None:
    expected = spoil(document)
    assert expected in refuse("--spec", write(tmp_path, document))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("openapi: [", "is not YAML"),
        ("openapi: 3.0.3\nopenapi: 3.0.3\n", "is not YAML"),
        ("- a list", "is not a YAML mapping"),
        ("", "is not a YAML mapping"),
        (None, "No such file"),
    ],
)
def test_unreadable_spec_changes_nothing(refuse: Refuse, tmp_path: Path, text: str | None, expected: str) -> None:
    path = tmp_path / "spec.yaml"
    if text is not None:
        path.write_text(text)
    message = refuse("--spec", path)
    assert expected in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("literal_enum: true", "unknown key literal_enum; the generator knows class_overrides, "),
        ("package_name_override: other", "package_name_override must be smarterproctoring_generated"),
        ("post_hooks: []", "post_hooks must name the formatter"),
        ("post_hooks: [", "is not YAML"),
    ],
)
def test_unfit_config_changes_nothing(refuse: Refuse, tmp_path: Path, change: str, expected: str) -> None:
    key = change.partition(":")[0]
    config = yaml.safe_load((ROOT / "generator-config.yml").read_text())
    config.pop(key, None)
    path = tmp_path / "generator-config.yml"
    path.write_text(yaml.safe_dump(config) + change)
    assert expected in refuse("--config", path)


def test_a_template_that_lost_a_mended_text_changes_nothing(refuse: Refuse, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = TemplateFix("endpoint_module.py.jinja", "text of an older release", "fix")
    monkeypatch.setattr(upstream, "TEMPLATE_FIXES", [*upstream.TEMPLATE_FIXES, gone])
    message = refuse()
    assert "endpoint_module.py.jinja no longer holds 'text of an older release' once: look at TEMPLATE_FIXES" in message


def test_output_that_is_not_strictly_typed_changes_nothing(refuse: Refuse, tmp_path: Path) -> None:
    config = yaml.safe_load((ROOT / "generator-config.yml").read_text())
    config["post_hooks"].append("""sh -c 'printf "wrong: int = None\\n" >> errors.py'""")
    path = tmp_path / "generator-config.yml"
    path.write_text(yaml.safe_dump(config))
    message = refuse("--config", path)
    assert "the output is not strictly typed" in message
    assert "Incompatible types in assignment" in message


def test_a_folder_that_is_no_tool_output_is_not_replaced(
    monkeypatch: pytest.MonkeyPatch, signals: None, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    monkeypatch.setattr(sys, "argv", ["generate.py", "--output", str(tmp_path / "home")])
    with pytest.raises(SystemExit, match="holds files that are not tool output and would be lost"):
        generate_script.main()
    assert (tmp_path / "home" / "thesis.txt").exists()


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that not even root can write into")
def test_a_place_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, signals: None) -> None:
    monkeypatch.setattr(sys, "argv", ["generate.py", "--output", "/proc/self/generated"])
    with pytest.raises(SystemExit, match=r"(?s)^error: \[Errno.*/proc/(self|\d+)/.*Nothing was changed") as ended:
        generate_script.main()
    assert ended.value.__cause__ is None


# -- the gate over the output bites ----------------------------------------------------------------------------------


def replaced(text: str, other: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        path = folder / PACKAGE / "api/exam_sessions/reschedule_exam_session.py"
        source = path.read_text(encoding="utf-8")
        assert text in source
        path.write_text(source.replace(text, other), encoding="utf-8")

    return spoil


def without_default(folder: Path) -> None:
    path = folder / PACKAGE / "api/exam_sessions/reschedule_exam_session.py"
    source = path.read_text(encoding="utf-8")
    old = "response_default = cast(str, response.json())\n"
    assert old in source
    path.write_text(source.replace(old, f'raise errors.UnexpectedStatus(500, b"")\n    {old}'), encoding="utf-8")


def without_module(folder: Path) -> None:
    (folder / PACKAGE / "api/exam_sessions/reschedule_exam_session.py").unlink()


def with_broken_import(folder: Path) -> None:
    (folder / PACKAGE / "models/error.py").write_text("import nothing_of_this_name\n")


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (replaced("if 400 <= response.status_code", "if 900 <= response.status_code"), "no parser for status 4XX"),
        (without_default, "no parser for status default"),
        (replaced("def sync_detailed(", "def other("), "no function sync_detailed"),
        (replaced("def asyncio_detailed(", "def other("), "no function asyncio_detailed"),
        (without_module, "the generator dropped the operation"),
        (with_broken_import, "No module named 'nothing_of_this_name'"),
    ],
)
def test_incomplete_output_is_refused(output: Path, spoil: Callable[[Path], None], expected: str) -> None:
    spoil(output)
    with pytest.raises(GenerationError) as refused:
        checking.check(spec_model.Spec(ROOT / "openapi/smarterproctoring.yaml"), output)
    assert expected in str(refused.value)


def test_each_status_needs_its_own_parser(made: Path, document: Spec, tmp_path: Path) -> None:
    """A range has its parser, and does not stand for a status that is declared by its name."""
    statuses = ("404", "4XX", "5xx", "500")
    operation_of(document)["responses"] = {status: {"description": "As said."} for status in statuses}
    _, expected = checking.expectations(spec_model.Spec(write(tmp_path, document)))
    spec = ROOT / "tools/generator/check_output.py"
    done = subprocess.run(
        [sys.executable, str(spec), PACKAGE, json.dumps([expected])],
        env={**os.environ, "PYTHONPATH": str(made), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.findall(r"no parser for status (\S+)", done.stdout) == ["404", "500"], done.stdout + done.stderr


# -- killed runs, and two at once ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_changes_nothing(refuse: Refuse, output: Path, tmp_path: Path, number: int) -> None:
    edit(output)  # so that the run would replace the folder
    before = files(output)
    command = [sys.executable, str(ROOT / "tools/generate.py"), "--output", str(output)]
    # A job in the background of a shell inherits an ignored SIGINT.
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        end = time.monotonic() + 30
        while not any(tmp_path.glob(f".generated.new-*/generated/{PACKAGE}/client.py")):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert (files(output), stdout) == (before, "")
    if number == signal.SIGKILL:
        assert any(tmp_path.glob(".generated.new-*")), "nobody could clean up"
    else:
        assert (process.returncode, stderr) == (1, "error: interrupted. Nothing was changed.\n")
        assert list(tmp_path.iterdir()) == [output]


def test_the_next_run_removes_what_a_killed_one_left(output: Path, tmp_path: Path) -> None:
    litter = tmp_path / ".generated.new-1a2b3c"
    litter.mkdir()
    (litter / "client.py").touch()
    with pytest.raises(OSError, match="nowhere"):
        swapping.replace(tmp_path / "nowhere.yaml", ROOT / "generator-config.yml", output)
    assert list(tmp_path.iterdir()) == [output]


def test_the_swap_leaves_ctrl_c_as_it_was(made: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    shutil.copytree(made, new)
    target = tmp_path / "generated"
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    swapping.swap(new, target)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(FileNotFoundError):
        swapping.swap(new, target)  # it is not there any more
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert target.exists()


def test_the_modules_import_in_the_order_that_the_package_states() -> None:
    lines = re.findall("^- (.*)$", generator.__doc__ or "", re.MULTILINE)
    rank = {name: number for number, line in enumerate(lines) for name in line.split(", ")}
    paths = [path for path in Path(generator.__path__[0]).glob("*.py") if path.stem != "__init__"]
    assert sorted(rank) == sorted([*(path.stem for path in paths if path.stem != "check_output")])
    for path in paths:
        found = re.findall(r"^from generator\.(\w+) import", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert all(rank[name] < rank.get(path.stem, len(lines)) for name in found), path.stem


@pytest.mark.parametrize("second", [False, True], ids=["between the renames", "after both"])
def test_a_run_killed_during_the_swap_loses_nothing(made: Path, output: Path, tmp_path: Path, *, second: bool) -> None:
    before = files(output)
    aside = Path(shutil.copytree(made, tmp_path / ".generated.new-1a2b3c" / "generated"))
    script = (
        "import os, sys, pathlib; sys.path.insert(0, sys.argv[1])\n"
        "from generator import swapping\n"
        "renamed, rename = [0], pathlib.Path.rename\n"
        "def count(path, other):\n"
        "    renamed[0] += 1\n"
        f"    if renamed[0] == 2 and not {second}: os.kill(os.getpid(), 9)\n"
        "    return rename(path, other)\n"
        "pathlib.Path.rename = count\n"
        "swapping.shutil.rmtree = lambda *_, **__: os.kill(os.getpid(), 9)\n"
        "swapping.swap(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))\n"
    )
    command = [sys.executable, "-c", script, str(ROOT / "tools"), str(aside), str(output)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert output.exists() is second
    with pytest.raises(OSError, match="nowhere"):
        swapping.replace(tmp_path / "nowhere.yaml", ROOT / "generator-config.yml", output)
    assert files(output) == before
    assert list(tmp_path.iterdir()) == [output]


def test_two_runs_at_once_wait_for_each_other(output: Path, tmp_path: Path) -> None:
    ended: list[type[Exception]] = []

    def run() -> None:
        try:
            swapping.replace(tmp_path / "nowhere.yaml", ROOT / "generator-config.yml", output)
        except Exception as error:
            ended.append(type(error))

    lock = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = threading.Thread(target=run)
        other.start()
        other.join(0.3)
        assert (other.is_alive(), ended) == (True, [])
    finally:
        os.close(lock)
    other.join(30)
    assert ended == [FileNotFoundError]
