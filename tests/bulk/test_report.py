"""Reports: a record for each row, a page that needs nothing and believes nothing, and neither half-written."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import tracemalloc
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from smarterproctoring_bulk.outcomes import STATES, Outcome
from smarterproctoring_bulk.page import Tally
from smarterproctoring_bulk.plan import Duplicate
from smarterproctoring_bulk.report import Summary, write_html, write_problems, write_report
from smarterproctoring_bulk.rows import Problem

SIDS = (f"AI{'1f' * 16}", f"EX{'2e' * 16}", f"ES{'3d' * 16}")
AT = 1_909_146_000.25
SUMMARY = Summary("job-1", "list.csv", rows=6, duplicates=1, started=AT, finished=AT + 3661, rate=50.0)
OUTCOMES = [
    Outcome(2, SIDS, "ok", 200, attempts=1, elapsed=0.1234, at=AT),
    Outcome(3, SIDS, "rejected", 404, "1203", "Session not found", attempts=1, elapsed=0.2, at=AT + 1),
    Outcome(5, ("", "", SIDS[2]), "conflict", message="keep one", at=AT),
    Outcome(6, ("", "", ""), "invalid", message="start: fix it", at=AT),
    Outcome(7, SIDS, "gave_up", 502, None, "Bad gateway", True, attempts=4, replays=2, elapsed=31, at=AT + 9),
]  # fmt: skip


# -- records -----------------------------------------------------------------------------------------------------------


def test_the_csv_has_a_record_for_each_line_in_order(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    write_report(path, OUTCOMES, SUMMARY, "csv", [Duplicate(4, 2)])
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")  # without it Excel reads another encoding
    with path.open(encoding="utf-8-sig", newline="") as stream:
        records = list(csv.DictReader(stream))
    assert [(record["line"], record["state"]) for record in records] == [
        ("2", "ok"), ("3", "rejected"), ("4", "duplicate"), ("5", "conflict"), ("6", "invalid"), ("7", "gave_up"),
    ]  # fmt: skip
    assert records[0] == {
        "line": "2", "state": "ok", "installSid": SIDS[0], "examSid": SIDS[1], "sessionSid": SIDS[2], "status": "200",
        "code": "", "message": "", "maybeApplied": "false", "attempts": "1", "replays": "0", "perhaps": "0",
        "seconds": "0.123",
        "at": "2030-07-01T14:20:00.250Z", "job": "job-1",
    }  # fmt: skip
    assert "line 2" in records[2]["message"]
    assert (records[5]["maybeApplied"], records[5]["replays"]) == ("true", "2")


def test_the_json_lines_say_the_same_with_types(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    write_report(path, OUTCOMES, SUMMARY, "jsonl", [Duplicate(4, 2)])
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [record["line"] for record in records] == [2, 3, 4, 5, 6, 7]
    assert records[1]["status"] == 404
    assert records[3]["installSid"] is None
    assert records[5]["maybeApplied"] is True


@pytest.mark.parametrize(
    "message",
    ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "=cmd|' /C calc'!A0", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x"],
)
def test_no_text_from_elsewhere_is_a_formula_in_a_spreadsheet(tmp_path: Path, message: str) -> None:
    write_report(tmp_path / "r.csv", [Outcome(2, SIDS, "rejected", 400, message, message)], SUMMARY)
    write_problems(tmp_path / "p.csv", [Problem(2, message, "empty", "fix it")])
    for name, column in (("r.csv", "message"), ("r.csv", "code"), ("p.csv", "column")):
        with (tmp_path / name).open(encoding="utf-8-sig", newline="") as stream:
            (record,) = csv.DictReader(stream)
        assert record[column] == f"'{message}"


@pytest.mark.parametrize(
    ("message", "written"),
    [
        ("x;=1+1", "x;'=1+1"),  # a spreadsheet may take the semicolon for the delimiter
        ("x; \uff1d1", "x; '\uff1d1"),
        ("x\t@y", "x\t'@y"),
        ("x\n-1;+2", "x\n'-1;'+2"),
        ("=a;=b", "'=a;'=b"),
        ("a=b, c-d", "a=b, c-d"),
        ("no; not 1-2", "no; not 1-2"),
    ],
)
def test_no_part_of_a_text_is_a_formula_by_another_delimiter(tmp_path: Path, message: str, written: str) -> None:
    write_report(tmp_path / "r.csv", [Outcome(2, SIDS, "rejected", 400, None, message)], SUMMARY)
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as stream:
        (record,) = csv.DictReader(stream)
    assert record["message"] == written


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_what_is_written_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    umask = os.umask(0)
    try:
        (tmp_path / "old.csv").touch(mode=0o666)
        write_report(tmp_path / "old.csv", OUTCOMES, SUMMARY)
        write_report(tmp_path / "r.jsonl", OUTCOMES, SUMMARY, "jsonl")
        write_html(tmp_path / "r.html", OUTCOMES, SUMMARY)
        write_problems(tmp_path / "p.csv", [])
    finally:
        os.umask(umask)
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_problems_are_written_with_line_column_kind_and_fix(tmp_path: Path) -> None:
    problem = Problem(7, 'Start, "local"', "text of 7 characters", "fix\nit", SIDS[2])
    write_problems(tmp_path / "p.csv", [problem])
    with (tmp_path / "p.csv").open(encoding="utf-8-sig", newline="") as stream:
        (record,) = csv.DictReader(stream)
    assert list(record.values()) == ["7", *problem[1:]]


def test_a_report_replaces_the_old_one_whole_or_not_at_all(tmp_path: Path) -> None:
    def breaks() -> Iterator[Outcome]:
        yield OUTCOMES[0]
        raise RuntimeError("the journal is gone")

    path = tmp_path / "report.csv"
    write_report(path, OUTCOMES[:1], SUMMARY)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match="gone"):
        write_report(path, breaks(), SUMMARY)
    with pytest.raises(RuntimeError, match="gone"):
        write_html(path, breaks(), SUMMARY)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# -- the page ----------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a browser would make of the page: its text, its tags, and whatever it would fetch or run."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "link", "img", "rect", "line", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in ("src", "href", "srcset", "data", "action") or name.startswith("on"):
                self.fetched.append(f"{tag} {name}={value}")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def page(
    tmp_path: Path, outcomes: list[Outcome], summary: Summary = SUMMARY, report: str = "", failures: int = 200
) -> Page:
    write_html(tmp_path / "page.html", outcomes, summary, report, failures)
    source = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"@import|url\(", source)
    assert "default-src 'none'" in source
    found = Page(source)
    assert not found.open
    assert not found.fetched
    assert not {"script", "iframe", "img", "link", "object"} & set(found.tags)
    return found


def test_the_page_shows_outcomes_throughput_latency_and_retries(tmp_path: Path) -> None:
    found = page(tmp_path, OUTCOMES, report="report.csv")
    text = found.text
    assert "1 of 5 sessions moved" in text
    assert "1 session may have been moved without a confirmation." in text
    for part in ("Outcomes", "Throughput", "Time per row", "Retries", "Reasons", "Rows that were not moved"):
        assert part in text
    assert "Took1 h 1 min" in text
    assert "6, 1 of them repeated" in text
    assert "3 retries, 2 of them after an attempt that may have been applied." in text
    assert "slowest 31 s" in text
    assert set(found.links) == {"report.csv"}
    assert found.tags.count("svg") == 2
    assert text.index("7" + SIDS[2] + "gave up, may be applied") < text.index("3" + SIDS[2] + "rejected")


def test_the_page_of_a_run_that_has_not_begun_or_sent_anything(tmp_path: Path) -> None:
    assert "0 of 0 sessions moved" in page(tmp_path, [], Summary("job-1", rows=9)).text
    assert "9 rows not settled yet" in page(tmp_path, [], Summary("job-1", rows=9)).text
    unsent = page(tmp_path, OUTCOMES[2:4])
    assert "svg" not in unsent.tags
    assert "keep one" in unsent.text


def test_what_the_api_or_the_list_says_is_text_and_nothing_else(tmp_path: Path) -> None:
    hostile = "</table><script>alert(1)</script><img src=x onerror=alert(1)>'\"&"
    found = page(
        tmp_path,
        [Outcome(2, (hostile, hostile, hostile), "rejected", 400, hostile, hostile, attempts=1, elapsed=1, at=AT)],
        Summary(hostile, hostile, facts=((hostile, hostile),)),
        report="javascript:alert(1) '\"><b>#1?.csv",
    )
    assert set(found.links) == {"javascript%3Aalert%281%29%20%27%22%3E%3Cb%3E%231%3F.csv"}
    assert found.text.count("alert(1)") >= 6


def test_a_session_that_an_earlier_job_moved_is_no_failure(tmp_path: Path) -> None:
    done = Outcome(8, ("", "", SIDS[2]), "done", at=AT)
    assert "Rows that were not moved" not in page(tmp_path, [OUTCOMES[0], done]).text
    found = page(tmp_path, [OUTCOMES[1], done, *[OUTCOMES[1]] * 20], failures=10)
    assert "10 of 21 are shown" in found.text


def test_only_so_many_failures_are_listed(tmp_path: Path) -> None:
    many = [OUTCOMES[1]._replace(line=number) for number in range(1, 51)]
    found = page(tmp_path, [*many, OUTCOMES[4]._replace(line=99)], failures=10)
    assert "10 of 51 are shown; all are in the full report." in found.text
    assert found.text.count(SIDS[2]) == 10
    assert "99" + SIDS[2] in found.text  # what may have been applied is never crowded out


def test_the_sums_of_the_charts_are_those_of_the_outcomes() -> None:
    tally = Tally(10)
    spans = (0.0, 3.5, 59.0, 3600.0, 200_000.0)  # the bins widen as the run goes on, in any order
    for number, span in enumerate(spans):
        tally.add(OUTCOMES[0]._replace(line=number, at=AT + span, elapsed=10.0**-number))
        tally.add(OUTCOMES[0]._replace(line=number, at=AT - span, elapsed=10.0**number))
    assert sum(tally.times.values()) == sum(tally.steps.values()) == tally.attempts[1] == 2 * len(spans)
    assert tally.last // tally.width - tally.first // tally.width < 160
    assert tally.percentile(0.5) == pytest.approx(1.0, rel=0.05)
    assert tally.percentile(1.0) == tally.slowest == 10.0**4
    assert tally.total == tally.states["ok"]


@pytest.mark.slow
def test_the_page_does_not_grow_with_the_list(tmp_path: Path) -> None:
    def outcomes(count: int) -> Iterator[Outcome]:
        for number in range(count):
            at = AT + number / 7
            if number % 3:
                yield Outcome(number, SIDS, "ok", 200, attempts=1 + number % 9, elapsed=number / 100, at=at)
            else:
                yield Outcome(number, SIDS, "rejected", 400, f"code {number}", "no", attempts=1, elapsed=0.01, at=at)

    write_html(tmp_path / "small.html", outcomes(3_000), SUMMARY)
    tracemalloc.start()
    write_html(tmp_path / "large.html", outcomes(15_000), SUMMARY)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    sizes = [(tmp_path / name).stat().st_size for name in ("small.html", "large.html")]
    assert sizes[1] < 1.5 * sizes[0]
    assert peak < 2_000_000


def test_every_state_has_a_meaning_on_the_page(tmp_path: Path) -> None:
    more = [Outcome(8, SIDS, "done"), Outcome(9, SIDS, "superseded"), Outcome(10, SIDS, "open")]
    text = page(tmp_path, [*OUTCOMES, *more]).text
    assert all(state.replace("_", " ") in text for state in STATES)
