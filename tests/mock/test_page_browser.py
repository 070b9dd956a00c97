"""The page in a real browser: what somebody sees and does there, with the mouse and without."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, cast

import pytest
from mock.rawhttp import EXAM, INSTALL, JSON, SESSION, TOKEN, Client, Gone, path_of
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from smarterproctoring_mock import RunningServer, running_server

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
CHROMIUM = os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium: apt-get install chromium, or set CHROMIUM to a Chrome or Chromium"
    ),
    pytest.mark.slow,
]
PATIENCE = 20_000  # milliseconds
expect.set_options(timeout=PATIENCE)

SESSIONS = 12


def times(day: int, hour: int) -> dict[str, str]:
    """Two hours of a day in May 2030."""
    return {
        "appointmentStartDateTime": f"2030-05-{day:02}T{hour:02}:00:00.000Z",
        "appointmentEndDateTime": f"2030-05-{day:02}T{hour + 2:02}:00:00.000Z",
    }


def sid(number: int) -> str:
    return path_of(number)[-34:]


SEED = [
    {"installSid": INSTALL, "examSid": EXAM, "sessionSid": sid(n), "fields": {"type": "proctoru", **times(6 + n, 9)}}
    for n in range(SESSIONS)
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def _seeded() -> Iterator[RunningServer]:
    with running_server(token=TOKEN, seed=SEED) as server:
        yield server


@pytest.fixture
def server(_seeded: RunningServer) -> RunningServer:
    _seeded.app.reset()
    return _seeded


@pytest.fixture
def client(server: RunningServer) -> Client:  # the name that the tests beside use for the shared one
    return Client(server.url)


@dataclass
class Window:
    """A window of its own, and what happens in it."""

    context: BrowserContext
    asked: list[str]
    wrong: list[str]

    @contextlib.contextmanager
    def watched(self, url: str) -> Generator[None]:
        """Hold what happens in it against what may."""
        self.asked.clear()
        self.wrong.clear()
        yield
        assert {address[: len(url) + 1] for address in self.asked} == {url + "/"}, "the page asked another server"
        assert self.wrong == []


@contextlib.contextmanager
def window(browser: Browser) -> Generator[Window]:
    context = browser.new_context()
    asked: list[str] = []
    wrong: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # An answer that is an error is what these tests are about; anything else is a fault of the page.
        if message.type == "error" and "Failed to load resource" not in message.text:
            wrong.append(message.text)

    context.on("request", lambda request: asked.append(request.url))
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.on("console", listen)
    context.set_default_timeout(PATIENCE)
    yield Window(context, asked, wrong)
    context.close()


@contextlib.contextmanager
def alone(browser: Browser, url: str) -> Generator[Page]:
    """Open a window for one test."""
    with window(browser) as own, own.watched(url):
        page = own.context.new_page()
        yield opened(page, url)
        page.close()


@pytest.fixture(scope="module")
def _shared(browser: Browser) -> Iterator[tuple[Window, Page]]:
    """One window for many tests: to open another takes the browser four times as long as to load the page again."""
    with window(browser) as shared:
        yield shared, shared.context.new_page()


@pytest.fixture
def page(_shared: tuple[Window, Page], server: RunningServer) -> Iterator[Page]:
    shared, page = _shared
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light", reduced_motion="no-preference")
    with shared.watched(server.url):
        yield opened(page, server.url)


def opened(page: Page, url: str) -> Page:
    page.goto(url)
    expect(page.locator("#title")).to_have_text("SmarterProctoring")
    expect(page.locator("#request-list, #requests-empty").filter(visible=True).first).to_be_visible()
    return page


def row(page: Page, number: int) -> Any:
    """The request of this number in the list."""
    return page.locator(f"#request-list > li[value='{number}']")


def session(page: Page, number: int) -> Any:
    return page.locator("#sessions > li").filter(has=page.locator(f"[title*={sid(number)}]"))


# --- what was answered, and what this is --------------------------------------------------------------------


def test_an_opened_request_shows_its_answer_and_no_secret(page: Page, client: Client, server: RunningServer) -> None:
    client.put({"notes": "moved"})
    client.put({"company": 1})
    fault = {"status": 429, "message": f"slow down, {TOKEN}", "retry_after": 7, "headers": {"Set-Cookie": "a=secret"}}
    server.app.add_faults(fault, "drop-after-store")
    client.put()
    with contextlib.suppress(Gone):
        client.put()
    expected = {
        1: ["Status 200", "content-type: application/json", '"Session rescheduled"', "content-length: 21"],
        2: ["Status 400", '"code": "400"', "body.company must be of type"],
        3: ["Status 429", "retry-after: 7", "slow down, [redacted]", "set-cookie: [redacted]"],
        4: ["the connection ended without one (fault: drop-after-store)"],
    }
    for number, texts in expected.items():
        row(page, number).locator("summary").click()
        inside = row(page, number).locator(".inside")
        expect(inside.get_by_role("heading", name="Answer")).to_be_visible()
        for text in texts:
            expect(inside).to_contain_text(text)
        expect(inside).not_to_contain_text(TOKEN)
        expect(inside).not_to_contain_text("a=secret")


def test_the_page_says_that_this_is_a_mock_on_every_screen(page: Page) -> None:
    for width in (320, 375, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        expect(page.locator("h1").get_by_text("mock server")).to_be_visible()


# --- first visit ------------------------------------------------------------------------------------------


def test_a_first_visit_says_what_to_do_and_the_command_works(browser: Browser) -> None:
    with running_server() as server, alone(browser, server.url) as page:
        expect(page.locator("#timeline-empty")).to_contain_text("No session is known yet")
        expect(page.locator("#requests-empty")).to_contain_text(f"Point your client at {server.url}")
        expect(page.locator("#faults-empty")).to_be_visible()
        command = page.locator("#first-curl").inner_text()
        page.get_by_role("button", name="Copy").click()
        expect(page.locator("#copy-curl")).to_have_text(re.compile("Copied|Selected"))
        if shutil.which("curl"):
            subprocess.run(["sh", "-c", command], check=True, capture_output=True)
        else:
            Client(server.url).put(times(4, 13), f"/v1/installs/{INSTALL}/exams/{EXAM}/sessions/{SESSION}")
        expect(row(page, 1).locator(".badge")).to_have_text("200")
        expect(page.locator("#sessions > li")).to_have_count(1)
        expect(page.locator("#sessions")).to_contain_text("Sat 4 May 2030 13:00–15:00")
        for name in ("#timeline-empty", "#requests-empty"):
            expect(page.locator(name)).to_be_hidden()


# --- timeline and requests --------------------------------------------------------------------------------


def test_a_move_shows_before_and_after(page: Page, client: Client) -> None:
    expect(page.locator("#sessions > li")).to_have_count(SESSIONS)
    expect(page.locator("#days .day")).to_have_count(SESSIONS)
    moved = session(page, 2)
    expect(moved).to_contain_text("Wed 8 May 2030 09:00–11:00")
    expect(moved.locator(".mark.was")).to_have_count(0)
    client.put(times(10, 14), path_of(2))
    expect(moved).to_contain_text("Wed 8 May 2030 09:00–11:00 → Fri 10 May 2030 14:00–16:00")
    expect(moved).to_contain_text("moved")
    before, after = moved.locator(".mark.was").bounding_box(), moved.locator(".mark.now").bounding_box()
    assert before["x"] + before["width"] < after["x"]
    expect(moved.locator(".arrow.later")).to_have_count(1)
    client.put(times(7, 9), path_of(2))
    expect(moved).to_contain_text("moved 2×")
    expect(moved.locator(".mark.was")).to_have_count(2)
    expect(moved.locator(".arrow.earlier")).to_have_count(1)
    client.put({"notes": "no move"}, path_of(2))
    expect(row(page, 3)).to_be_visible()
    expect(moved.locator(".mark.was")).to_have_count(2)


def read(client: Client, number: int) -> None:
    assert client.call("GET", path_of(number), None, [("token", TOKEN)]).status == 200


def test_a_read_shows_what_it_was_shown(page: Page, client: Client, server: RunningServer) -> None:
    read(client, 2)
    expect(row(page, 1).locator(".what")).to_contain_text("GET getExamSession")
    expect(row(page, 1).locator(".reason")).to_have_text("shows Wed 8 May 2030 09:00–11:00")
    expect(session(page, 2)).to_contain_text("proctoru · read")
    client.put(times(10, 14), path_of(2))
    server.app.add_faults("read-stale", "read-dates-null", "read-html")
    for _ in range(4):
        read(client, 2)
    shown = {
        3: "fault: read-stale · shows Wed 8 May 2030 09:00–11:00",
        4: "fault: read-dates-null",
        5: "fault: read-html",
        6: "shows Fri 10 May 2030 14:00–16:00",
    }
    for number, text in shown.items():
        expect(row(page, number).locator(".reason")).to_have_text(text)
    expect(session(page, 2)).to_contain_text("moved · read 5×")
    row(page, 6).locator("summary").click()
    expect(row(page, 6).get_by_label("Body of the answer")).to_contain_text('"appointmentDate": "2030-05-10T14')


def test_reads_and_changes_are_told_apart(page: Page, client: Client) -> None:
    client.put(times(20, 9), path_of(1))
    read(client, 1)
    client.put({"type": "zoom"}, path_of(1))
    expect(page.locator("#request-list > li:visible")).to_have_count(3)
    choice = page.get_by_role("combobox", name="Show", exact=True)
    choice.select_option("reads")
    expect(page.locator("#request-list > li:visible .number")).to_have_text(["2"])
    choice.select_option("all but reads")
    expect(page.locator("#request-list > li:visible .number")).to_have_text(["3", "1"])


def test_a_fault_of_reads_is_switched_on(page: Page, client: Client, server: RunningServer) -> None:
    page.get_by_role("combobox", name="Fault", exact=True).select_option("read-stale-seconds")
    expect(page.locator("#fault-about")).to_have_text("shows the session as it was before its last change")
    page.get_by_role("checkbox", name="until cleared").check()
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#fault-list")).to_contain_text("until cleared · only GET · within 2 s of a change")
    (fault,) = server.app.faults()
    assert (fault.method, fault.show, fault.within, fault.times) == ("GET", "former", 2.0, None)
    page.get_by_role("combobox", name="Fault", exact=True).select_option("read-dates-us")
    expect(page.locator("#fault-about")).to_have_text("dates in the form us")


def test_a_session_is_read_from_the_page(page: Page, server: RunningServer) -> None:
    page.get_by_role("combobox", name="Operation").select_option("GET getExamSession")
    page.get_by_role("textbox", name="sessionSid").fill(sid(3))
    page.get_by_role("textbox", name="installSid").fill(INSTALL)
    page.get_by_role("textbox", name="examSid").fill(EXAM)
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    expect(page.get_by_role("textbox", name="Body")).to_be_hidden()
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#try-answer")).to_contain_text('"appointmentDate": "2030-05-09T09:00:00.000Z"')
    server.app.assert_read(sid(3), times=1)


def test_a_session_leads_to_its_requests(page: Page, client: Client) -> None:
    for number in (1, 2, 1):
        client.put(times(20, 9), path_of(number))
    expect(page.locator("#request-list > li:visible")).to_have_count(3)
    page.get_by_role("button", name=f"Requests of session {sid(1)}").click()
    expect(page.locator("#request-list > li:visible")).to_have_count(2)
    page.get_by_role("combobox", name="Show", exact=True).select_option("refused")
    expect(page.locator("#requests-none")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    expect(page.locator("#request-list > li:visible")).to_have_count(3)


def test_requests_come_in_live_with_the_reason_of_their_refusal(page: Page, client: Client) -> None:
    client.put({"type": "zoom", "appointmentDateTime": "tomorrow"}, path_of(0))
    expect(row(page, 1).locator(".badge")).to_have_text("400")
    expect(row(page, 1).locator(".reason")).to_contain_text('body.type must be one of ["b-virtual"')
    expect(page.locator("#news")).to_contain_text("request 1, 400, refused: body.type must be one of")
    client.put({}, path_of(0), [JSON])
    expect(row(page, 2).locator(".reason")).to_have_text("header.token is required")
    expect(page.locator("#request-list > li").first.locator(".number")).to_have_text("2")

    row(page, 1).locator("summary").click()
    expect(row(page, 1).locator(".problems > li")).to_have_count(3)
    expect(row(page, 1).locator("pre").first).to_contain_text("token: [redacted]")
    expect(row(page, 1).get_by_label("Body", exact=True)).to_contain_text('"type": "zoom"')
    row(page, 1).get_by_role("link", name="see the spec").first.click()
    target = page.locator(".entry:target")
    expect(target.locator(".name")).to_have_text("type")
    expect(target).to_be_in_viewport()


def test_what_was_received_stays_text(page: Page, client: Client) -> None:
    evil = "<img src=x onerror=\"document.title='gone'\"><script>document.title='gone'</script>"
    client.put({"type": "proctoru", "notes": evil}, path_of(0))
    client.call("PUT", "/<b>&lt;", b"<b>", [("token", TOKEN), ("X-Evil", "<b>bold</b>"), JSON])
    client.admin("POST", "faults", [{"status": 400, "message": evil, "name": "<b>evil</b>"}])
    expect(page.locator("#fault-list")).to_contain_text("<b>evil</b>")
    for number in (1, 2):
        row(page, number).locator("summary").click()
    expect(row(page, 1).get_by_label("Body", exact=True)).to_contain_text("<img src=x onerror=")
    expect(row(page, 2)).to_contain_text("x-evil: <b>bold</b>")
    assert page.locator("img, #request-list script, .inside b, .what b b, #fault-list b b").count() == 0
    assert page.title() == "SmarterProctoring mock server"


def test_pausing_and_going_on(page: Page, client: Client) -> None:
    live = page.locator("#live")
    live.click()
    expect(live).to_have_text("Paused")
    expect(live).to_have_attribute("aria-pressed", "false")
    client.put(path=path_of(0))
    page.evaluate("new Promise((done) => setTimeout(done, 1200))")  # twice the page's interval
    expect(row(page, 1)).to_have_count(0)
    live.click()
    expect(row(page, 1)).to_be_visible()


def test_a_reset_by_somebody_else_is_noticed(page: Page, client: Client, server: RunningServer) -> None:
    client.put({"notes": "old"}, path_of(0))
    expect(row(page, 1)).to_be_visible()
    server.app.reset()
    for _ in range(2):
        client.put({"notes": "new"}, path_of(0))
    expect(row(page, 2)).to_be_visible()
    row(page, 1).locator("summary").click()
    expect(row(page, 1).get_by_label("Body", exact=True)).to_contain_text('"notes": "new"')
    expect(page.locator("#request-list > li")).to_have_count(2)


def test_a_server_that_stops_and_comes_back(browser: Browser) -> None:
    life = contextlib.ExitStack()
    with life, alone(browser, (server := life.enter_context(running_server(token=TOKEN))).url) as page:
        Client(server.url).put()
        expect(row(page, 1)).to_be_visible()
        life.close()
        expect(page.locator("#trouble")).to_contain_text("The server does not answer")
        with running_server(token=TOKEN, port=int(server.url.rpartition(":")[2])):
            expect(page.locator("#trouble")).to_be_hidden()
            expect(page.locator("#requests-empty")).to_be_visible()


# --- faults -----------------------------------------------------------------------------------------------


def test_a_fault_is_switched_on_strikes_and_is_cleared(page: Page, client: Client, server: RunningServer) -> None:
    page.get_by_role("combobox", name="Fault", exact=True).select_option("rate-limited")
    expect(page.locator("#fault-about")).to_have_text("answers 429 · Retry-After 1 s")
    page.get_by_role("spinbutton", name="Times").fill("2")
    page.get_by_role("combobox", name="Only for session").fill(sid(3))
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#fault-said")).to_have_text("Switched on: rate-limited.")
    expect(page.locator("#fault-list")).to_contain_text("2 times · only")
    (fault,) = server.app.faults()
    assert (fault.name, fault.status, fault.times, fault.session) == ("rate-limited", 429, 2, sid(3))

    assert client.put(path=path_of(4)).status == 200
    assert client.put(path=path_of(3)).status == 429
    expect(row(page, 2).locator(".reason")).to_have_text("fault: rate-limited")
    expect(page.locator("#fault-list")).to_contain_text("once · only")
    expect(page.locator("#news")).to_contain_text("request 2, 429, fault: rate-limited")

    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#faults-empty")).to_be_visible()
    assert server.app.faults() == []
    assert client.put(path=path_of(3)).status == 200


def test_status_latency_and_share(page: Page, server: RunningServer) -> None:
    page.get_by_role("combobox", name="Fault", exact=True).select_option(label="a status or a latency only")
    page.get_by_role("spinbutton", name="Status").fill("418")
    page.get_by_role("spinbutton", name="Latency (s)").fill("0.25")
    page.get_by_role("spinbutton", name="Share (%)").fill("50")
    page.get_by_role("checkbox", name="until cleared").check()
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#fault-list")).to_contain_text("until cleared · 50 % of the requests")
    expect(page.locator("#fault-list")).to_contain_text("answers 418 · 0.25 s late")
    (fault,) = server.app.faults()
    assert (fault.status, fault.delay, fault.probability, fault.times) == (418, 0.25, 0.5, None)


def test_a_mistake_in_a_fault_is_told(page: Page, server: RunningServer) -> None:
    page.get_by_role("spinbutton", name="Status").fill("418")
    page.locator("#fault-status").evaluate("(field) => { field.min = 0; field.value = 99; }")
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#fault-said")).to_have_text("Not done: status: 99 is not within 200 and 599")
    assert server.app.faults() == []


def test_a_scenario_is_loaded(page: Page, client: Client) -> None:
    page.get_by_role("combobox", name="Scenario", exact=True).select_option("lost-answers")
    expect(page.locator("#scenario-about")).to_contain_text("three ways to lose an answer")
    page.get_by_role("button", name="Load scenario").click()
    expect(page.locator("#fault-list > li")).to_have_count(3)
    with pytest.raises(Gone):
        client.put(times(30, 9), path_of(5))
    expect(row(page, 1).locator(".badge")).to_have_text("no answer")
    expect(session(page, 5)).to_contain_text("→ Thu 30 May 2030 09:00–11:00")
    expect(page.locator("#fault-list > li")).to_have_count(2)


# --- try it, reset, reference -----------------------------------------------------------------------------


def test_a_reschedule_is_sent_from_the_page(page: Page, server: RunningServer) -> None:
    page.get_by_role("button", name=f"Move session {sid(7)}").click()
    expect(page.get_by_role("textbox", name="sessionSid")).to_have_value(sid(7))
    expect(page.get_by_role("textbox", name="Token")).to_be_focused()
    page.get_by_role("textbox", name="Token").fill(TOKEN)
    page.get_by_role("combobox", name="Example", exact=True).select_option(label="Another start and end")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#try-answer")).to_contain_text("200 OK")
    expect(page.locator("#try-answer")).to_contain_text("Session rescheduled")
    expect(session(page, 7)).to_contain_text("→ Sat 4 May 2030 13:00–15:00")
    server.app.assert_called(session=sid(7), headers={"token": TOKEN}, status=200, times=1)

    page.get_by_role("textbox", name="Body").fill("{")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#try-answer")).to_contain_text("body is not valid application/json")
    # Until cleared, because the browser itself repeats a request once whose kept-alive connection drops.
    server.app.add_faults({"fault": "drop-after-store", "times": None})
    page.get_by_role("textbox", name="Body").fill('{"notes": "lost"}')
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.locator("#try-answer")).to_contain_text("no whole answer")
    server.app.assert_called(session=sid(7), fields={"notes": "lost"}, status=0)

    for opened_row in page.locator("summary.request").all():
        opened_row.click()
    assert TOKEN not in page.content()
    assert page.get_by_role("textbox", name="Token").get_attribute("type") == "password"


def test_reset_asks_first(page: Page, client: Client, server: RunningServer) -> None:
    client.put(times(25, 9), path_of(0))
    server.app.add_faults("slow")
    expect(row(page, 1)).to_be_visible()
    expect(page.locator("#fault-list > li")).to_have_count(1)
    page.get_by_role("button", name="Reset…").click()
    page.get_by_role("button", name="Cancel").click()
    assert server.app.total == 1
    page.get_by_role("button", name="Reset…").click()
    page.get_by_role("button", name="Reset", exact=True).click()
    expect(page.locator("#requests-empty")).to_be_visible()
    expect(page.locator("#faults-empty")).to_be_visible()
    expect(session(page, 0)).not_to_contain_text("→")
    assert (server.app.total, server.app.faults()) == (0, [])
    client.put(times(26, 9), path_of(0))
    expect(session(page, 0)).to_contain_text("→ Sun 26 May 2030 09:00–11:00")
    expect(row(page, 1)).to_be_visible()


def test_exports(page: Page, client: Client) -> None:
    client.put(path=path_of(0))
    for name, start in (("HAR", '{"log"'), ("curl", "curl ")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name, exact=True).click()
        assert download.value.path().read_text().startswith(start)


def test_the_reference_holds_what_the_spec_says(page: Page, server: RunningServer) -> None:
    document = server.app.spec.document
    template = "/v1/installs/{installSid}/exams/{examSid}/sessions/{sessionSid}"
    paths = page.locator("#reference .path")
    expect(paths).to_have_text([f"GET {template}", f"PUT {template}"])
    read, reference = (page.locator("#reference article").nth(number) for number in range(2))

    def entry(name: str) -> Any:
        return reference.locator(".entry").filter(has=page.locator(f".name:text-is('{name}')")).first

    for parameter in document["components"]["parameters"].values():
        shown = entry(parameter["name"])
        for part in ("string · in path · required", parameter["schema"]["pattern"], parameter["example"]):
            expect(shown).to_contain_text(part)
    schemas = document["components"]["schemas"]
    for name, schema in schemas["SessionChange"]["properties"].items():
        stated = schemas["SystemType"] if "$ref" in schema else schema
        shown = entry(name).inner_text()
        parts = [stated["description"], stated["example"], *stated.get("enum", ())]
        parts += [stated[key] for key in ("pattern", "format", "x-before") if key in stated]
        assert [part for part in parts if str(part) not in shown] == [], name
        expect(entry(name).locator(".evidence")).to_have_text(f"evidence {stated.get('x-evidence', 'D')}")
    names = document["components"]["schemas"]["ExamSession"]["properties"]
    shown_names = read.locator(".response").first.locator(".entry .name").all_text_contents()
    assert [name.strip() for name in shown_names] == list(names)
    letters = set(read.locator(".response").first.locator(".entry .evidence").all_text_contents())
    assert letters == {"evidence V"}, "the schema says so of all its fields"
    responses = reference.locator(".response")
    expect(responses).to_have_count(3)
    responses.nth(1).locator("summary").first.click()
    expect(responses.nth(1)).to_contain_text("The requested session was not found")
    expect(responses.nth(1).locator(".evidence").first).to_have_attribute("title", re.compile("vendor elsewhere"))


# --- for everybody ----------------------------------------------------------------------------------------

TABBABLE = """() => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
    .filter((element) => element.checkVisibility() && !element.disabled).length"""
FOCUSED = """() => {
    const element = document.activeElement;
    element.dataset.visited ??= String(document.querySelectorAll("[data-visited]").length);
    const style = getComputedStyle(element);
    return {
        tag: element.tagName, order: Number(element.dataset.visited), text: element.textContent.trim().slice(0, 40),
        outline: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        named: Boolean(element.textContent.trim() || element.labels?.length || element.ariaLabel),
    };
}"""


def test_everything_is_reached_by_tab_in_order_and_seen(page: Page, client: Client) -> None:
    client.put(path=path_of(0))
    client.put({"type": "zoom"}, path_of(0))
    expect(row(page, 2)).to_be_visible()
    page.locator("#live").evaluate("(button) => button.click()")  # nothing moves while we walk
    wanted: int = page.evaluate(TABBABLE)
    seen: list[dict[str, Any]] = []
    for _ in range(wanted):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(FOCUSED))
    assert seen[0]["text"] == "Skip to the content"
    assert [found["order"] for found in seen] == list(range(wanted)), "a trap, or something out of reach"
    assert [found for found in seen if not (found["outline"] and found["named"])] == []


def test_the_page_works_without_a_mouse(page: Page, client: Client, server: RunningServer) -> None:
    client.put({"type": "zoom"}, path_of(0))
    expect(row(page, 1)).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the skip link
    expect(page.locator("#main")).to_be_focused()
    row(page, 1).locator("summary").focus()
    page.keyboard.press("Enter")
    expect(row(page, 1)).to_contain_text("Why it was refused")
    client.put({"type": "proctoru"}, path_of(1))
    expect(row(page, 2)).to_be_visible()
    expect(row(page, 1).locator("summary")).to_be_focused()  # what comes in takes the focus from nobody
    expect(row(page, 1).locator(".inside")).to_be_visible()

    page.get_by_role("button", name="Switch on").focus()
    page.keyboard.press("Space")
    expect(page.locator("#fault-list > li")).to_have_count(1)
    expect(page.get_by_role("button", name="Switch on")).to_be_focused()
    page.get_by_role("button", name="Clear all").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#fault-list > li")).to_have_count(0)
    expect(page.get_by_role("button", name="Clear all")).to_be_focused()

    page.get_by_role("button", name="Reset…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#reset-dialog")).to_be_hidden()
    expect(page.get_by_role("button", name="Reset…")).to_be_focused()
    assert server.app.total == 2


def busy(client: Client, page: Page) -> None:
    """Fill the page with everything that has a colour or could be too wide."""
    client.admin("POST", "faults", ["rate-limited"])
    client.put(times(9, 9), path_of(0))
    client.put(times(9, 9), path_of(0))
    client.put({"type": "zoom", "notes": "x" * 300, "appointmentDateTime": "y"}, path_of(1))
    client.call("GET", "/" + "z" * 300, None, [("X-Long", "w" * 300)])
    client.admin("POST", "faults", [{"fault": "proxy-html", "session": sid(3), "times": None}, "drop-after-store"])
    client.admin("POST", "faults", [{"fault": "read-stale-seconds", "session": sid(3)}])
    expect(page.locator("#fault-list > li")).to_have_count(3)
    for number in (4, 3):
        row(page, number).locator("summary").click()
    for response in page.locator(".response").all():
        response.evaluate("(details) => { details.open = true; }")


def test_nothing_is_wider_than_the_window(page: Page, client: Client) -> None:
    busy(client, page)
    for width in (320, 375, 768, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        parts = "button:visible, input:visible, select:visible, .when, .reason, .badge, h2"
        outside = page.locator(parts).evaluate_all(
            "(all, width) => all.filter((e) => { const b = e.getBoundingClientRect();"
            " return b.width && (b.left < 0 || b.right > width); }).map((e) => e.id || e.textContent)",
            width,
        )
        assert (width, outside) == (width, [])


CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (text) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = text;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = rgba(getComputedStyle(e).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const found = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
        if (!(own || element.matches("input, select, textarea")) || !element.checkVisibility()) continue;
        const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x);
        const what = `${element.tagName}.${element.className} ${element.textContent.slice(0, 30)}`;
        found.push([(a + 0.05) / (b + 0.05), what]);
    }
    return found;
}"""


def test_all_text_has_enough_contrast_in_light_and_dark(page: Page, client: Client) -> None:
    busy(client, page)
    for scheme, wanted in (("light", "rgb(245, 246, 248)"), ("dark", "rgb(16, 20, 27)")):
        page.emulate_media(color_scheme=cast("Any", scheme), reduced_motion="reduce")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == wanted
        found: list[tuple[float, str]] = page.evaluate(CONTRAST)
        assert len(found) > 200
        assert (scheme, [pair for pair in found if pair[0] < 4.5]) == (scheme, [])


def test_nothing_moves_for_those_who_do_not_want_it(page: Page, client: Client) -> None:
    expect(page.locator("#sessions > li")).to_have_count(SESSIONS)
    client.put(times(20, 9), path_of(0))
    expect(page.locator(".fresh")).to_have_count(1)
    for wish, expected in (("reduce", ("none", "auto")), ("no-preference", ("fresh", "smooth"))):
        page.emulate_media(reduced_motion=cast("Any", wish))
        name = page.locator(".fresh").evaluate("(element) => getComputedStyle(element).animationName")
        assert (name, page.evaluate("getComputedStyle(document.documentElement).scrollBehavior")) == expected
