"""A list takes install and time zone from option, environment and profile; a job keeps what it was begun with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bulk.runs import EXAM, INSTALL, START, Bulk, sent, session, write_list
from bulk.test_look import reads
from smarterproctoring_mock import MockApp

OTHER, THIRD = "AI" + "2a" * 16, "AI" + "3b" * 16
VARIABLE = "SMARTERPROCTORING_INSTALL_SID"
LOCAL = START.removesuffix(":00").replace("T", " ")
NEW_YORK = 'timezone = "America/New_York"'


def profile(bulk: Bulk, text: str, name: str = "default", *, more: bool = False) -> Path:
    """Write a profile, in place of those that are there, or in addition."""
    path = bulk.folder / "config" / "smarterproctoring" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if more else ""
    path.write_text(f"{before}[profiles.{name}]\n{text}\n")
    path.chmod(0o600)
    return path


def of_install(sid: str) -> str:
    return f'install_sid = "{sid}"'


def short_list(bulk: Bulk, start: str = f"{START}Z", rows: int = 2) -> Path:
    """Write a list without a column for the install."""
    path = bulk.folder / "short.csv"
    lines = [f"{EXAM},{session(number)},{start}" for number in range(rows)]
    path.write_text("\n".join(["examSid,sessionSid,start", *lines]) + "\n")
    return path


def installs(app: MockApp) -> set[str]:
    """Return the installs of all requests since the last reset."""
    return {row.params["installSid"] for row in app.audit() if row.params}


def planned_install(printed: str) -> str:
    return printed.partition("/v1/installs/")[2][:6]


# -- which one wins ----------------------------------------------------------------------------------------------------


def test_the_install_of_a_list_is_that_of_option_environment_profile(bulk: Bulk, app: MockApp) -> None:
    path = short_list(bulk)
    dry = ("run", path, "--dry-run")
    file = profile(bulk, of_install(INSTALL))
    profile(bulk, of_install(THIRD), "b", more=True)
    said = bulk.run(*dry)
    assert planned_install(said) == INSTALL[:6]
    assert f"the install of the list is that of {file}: profile default: install_sid" in said
    assert planned_install(bulk.run(*dry, "--profile", "b")) == THIRD[:6]
    said = bulk.run(*dry, SMARTERPROCTORING_INSTALL_SID=OTHER)
    assert planned_install(said) == OTHER[:6]
    assert f"the install of the list is that of {VARIABLE}" in said
    said = bulk.run(*dry, "--install-sid", THIRD, SMARTERPROCTORING_INSTALL_SID=OTHER)
    assert planned_install(said) == THIRD[:6]
    assert "the install of the list is that of" not in said
    for option in ("--common", "--set"):
        assert (
            planned_install(bulk.run(*dry, option, f"install={THIRD}", SMARTERPROCTORING_INSTALL_SID=OTHER))
            == THIRD[:6]
        )
    assert not sent(app)


def test_the_zone_of_a_list_is_that_of_option_and_profile(bulk: Bulk) -> None:
    dry = ("run", short_list(bulk, LOCAL), "--dry-run", "--install-sid", INSTALL)
    file = profile(bulk, NEW_YORK)
    profile(bulk, 'timezone = "Asia/Tokyo"', "b", more=True)
    said = bulk.run(*dry)
    assert f"times that name no zone are in America/New_York: {file}: profile default: timezone" in said
    hours = {bulk.run(*dry, *more).partition('DateTime": "')[2][11:13] for more in [(), ("--profile", "default")]}
    assert hours in ({"17"}, {"18"})  # summer time or not, as the date of the list has it
    assert bulk.run(*dry, "--profile", "b").partition('DateTime": "')[2][11:13] == "04"
    said = bulk.run(*dry, "--timezone", "UTC")
    assert said.partition('DateTime": "')[2][11:13] == "13"
    assert "times that name no zone" not in said


@pytest.mark.parametrize("kind", ["csv", "jsonl", "csv with its own name"])
def test_a_list_that_names_its_install_needs_no_other(bulk: Bulk, kind: str) -> None:
    mapped: tuple[str, ...] = ()
    path = write_list(bulk.folder / "list.csv", 1)
    if kind == "jsonl":
        path = bulk.folder / "list.jsonl"
        row = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": session(0), "start": f"{START}Z"}
        path.write_text(json.dumps(row) + "\n")
    elif kind != "csv":
        path.write_text(path.read_text().replace("installSid", "Customer"))
        mapped = ("--map", "Customer=install")
    profile(bulk, of_install(OTHER))
    said = bulk.run("run", path, "--dry-run", *mapped, SMARTERPROCTORING_INSTALL_SID=THIRD)
    assert planned_install(said) == INSTALL[:6]
    assert "the install of the list is that of" not in said


def test_json_lines_without_an_install_take_it_too(bulk: Bulk, app: MockApp) -> None:
    path = bulk.folder / "list.jsonl"
    rows = [{"examSid": EXAM, "sessionSid": session(number), "start": f"{START}Z"} for number in range(2)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    bulk.run("run", path, SMARTERPROCTORING_INSTALL_SID=OTHER)
    assert installs(app) == {OTHER}
    assert "SMARTERPROCTORING_INSTALL_SID, or install_sid in a profile" in bulk.run("run", path, "--dry-run", code=2)


def test_the_option_is_the_same_as_common(bulk: Bulk) -> None:
    path = write_list(bulk.folder / "list.csv", 2)
    path.write_text(path.read_text().replace(INSTALL, "", 1))
    assert "2 to send" in bulk.run("run", path, "--dry-run", "--install-sid", INSTALL)
    said = bulk.run("run", path, "--dry-run", "--install-sid", OTHER, code=5)
    assert "the row and the value for all rows say different things" in said
    said = bulk.run("run", path, "--dry-run", "--install-sid", OTHER, "--common", f"install={OTHER}", code=2)
    assert "--install-sid: --common or --set gives the install as well; keep one of them" in said


@pytest.mark.parametrize("command", ["look", "verify", "run", "submit"])
def test_each_command_that_reads_a_list_takes_both(bulk: Bulk, app: MockApp, command: str) -> None:
    path = short_list(bulk, LOCAL)
    profile(bulk, f"{of_install(INSTALL)}\n{NEW_YORK}")
    bulk.run("run", path)
    more = ("--output", bulk.folder / "now.csv") if command == "look" else ()
    said = bulk.run(command, path, *more)
    assert "times that name no zone are in America/New_York" in said
    assert "the install of the list is that of" in said
    assert reads(app) == (2 if command in ("look", "verify") else 0)
    assert installs(app) == {INSTALL}


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_without_any_the_message_names_each_way(bulk: Bulk) -> None:
    said = bulk.run("run", short_list(bulk), "--dry-run", code=2)
    assert "the list has no column installSid" in said
    for way in ("--map", "--install-sid", VARIABLE, "install_sid in a profile"):
        assert way in said
    said = bulk.run("run", short_list(bulk, LOCAL), "--dry-run", "--install-sid", INSTALL, code=2)
    assert "or name the zone: --timezone America/New_York, or timezone in a profile" in said


def test_a_name_that_is_no_text_is_a_problem_of_its_row(bulk: Bulk) -> None:
    path = bulk.folder / "list.jsonl"
    row = {"examSid": EXAM, "sessionSid": session(0), "start": f"{START}Z"}
    path.write_text("".join(json.dumps(one) + "\n" for one in ({**row, "a\ud800": "x"}, {**row, "notes": "é"})))
    said = bulk.run("run", path, "--dry-run", "--install-sid", INSTALL, code=5)
    assert "line 1: write its name again: it has one half of a character (a lone surrogate)" in said


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_empty_cell_of_a_list_with_installs_is_not_filled_by_the_profile(bulk: Bulk, kind: str) -> None:
    """So the message does not name ways that do not help."""
    path = write_list(bulk.folder / "list.csv", 2)
    path.write_text(path.read_text()[::-1].replace(INSTALL[::-1], "", 1)[::-1])
    if kind == "jsonl":
        header, *lines = path.read_text().splitlines()
        path = path.with_suffix(".jsonl")
        rows = [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    profile(bulk, of_install(INSTALL))
    said = bulk.run("run", path, "--dry-run", code=5, SMARTERPROCTORING_INSTALL_SID=INSTALL)
    assert "give the SID of the install, or one for all such rows with --install-sid (empty)" in said
    assert VARIABLE not in said
    assert "in a profile" not in said
    assert "2 to send" in bulk.run("run", path, "--dry-run", "--install-sid", INSTALL)


def test_a_value_that_does_not_work_names_where_it_comes_from(bulk: Bulk) -> None:
    path = short_list(bulk)
    dry = ("run", path, "--dry-run")
    file = profile(bulk, of_install(EXAM))
    pattern = "must match ^AI[a-f0-9]{32}$ (this is an SID of kind exam with 34 characters)"
    assert f"{file}: profile default: install_sid {pattern}" in bulk.run(*dry, code=2)
    assert f"{VARIABLE} {pattern}" in bulk.run(*dry, code=2, SMARTERPROCTORING_INSTALL_SID=EXAM)
    assert f"--install-sid {pattern}" in bulk.run(*dry, "--install-sid", EXAM, code=2)
    profile(bulk, 'timezone = "Mars/Base"')
    assert f"{file}: profile default: timezone: " in bulk.run(*dry, "--install-sid", INSTALL, code=2)
    bulk.run(*dry, "--install-sid", INSTALL, "--timezone", "UTC")


# -- a job keeps what it was begun with --------------------------------------------------------------------------------


def test_a_job_is_continued_and_undone_as_it_was_begun_whatever_the_profile_says(bulk: Bulk, app: MockApp) -> None:
    path = short_list(bulk, LOCAL, rows=3)
    first = f"{of_install(INSTALL)}\n{NEW_YORK}"
    profile(bulk, first)
    bulk.run("run", path)
    before = {number: app.session(session(number)).fields["appointmentStartDateTime"] for number in range(3)}
    later = path.with_name("later.csv")
    later.write_text(path.read_text().replace("13:00", "15:00"))
    job = bulk.run("submit", later, "--record-before").splitlines()[-3:]
    (name,) = [line for line in job if len(line) == 12]
    profile(bulk, f'{of_install(OTHER)}\ntimezone = "Asia/Tokyo"')
    bulk.run("resume", name, SMARTERPROCTORING_INSTALL_SID=THIRD)
    moved = {number: app.session(session(number)).fields["appointmentStartDateTime"] for number in range(3)}
    assert [str(moved[number])[:11] for number in range(3)] == [str(before[number])[:11] for number in range(3)]
    assert [int(str(moved[n])[11:13]) - int(str(before[n])[11:13]) for n in range(3)] == [2, 2, 2]
    bulk.run("undo", name, SMARTERPROCTORING_INSTALL_SID=THIRD)
    assert {n: app.session(session(n)).fields["appointmentStartDateTime"] for n in range(3)} == before
    assert installs(app) == {INSTALL}


def test_another_zone_is_another_job_and_never_changes_one_that_is_open(bulk: Bulk, app: MockApp) -> None:
    path = short_list(bulk, LOCAL)
    profile(bulk, f"{of_install(INSTALL)}\n{NEW_YORK}")
    bulk.run("submit", path)
    profile(bulk, f'{of_install(INSTALL)}\ntimezone = "Asia/Tokyo"')
    said = bulk.run("run", path, code=2)
    assert "is not finished and names 2 of these sessions" in said
    assert not sent(app)
    # What the profile said, typed: the same job.
    bulk.run("run", path, "--timezone", "America/New_York")
    assert sum(sent(app).values()) == 2


def test_a_list_that_names_its_install_is_the_same_job_with_any_profile(bulk: Bulk, app: MockApp) -> None:
    path = write_list(bulk.folder / "list.csv", 2)
    bulk.run("submit", path)
    profile(bulk, of_install(OTHER))
    assert "continuing job" in bulk.run("run", path, SMARTERPROCTORING_INSTALL_SID=THIRD)
    assert installs(app) == {INSTALL}
