"""The page's files over HTTP: who gets them, with which headers, and that they need nobody else."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mock.rawhttp import EXAM, INSTALL, JSON, SESSION, TOKEN, Answer, Client, path_of
from smarterproctoring_mock import FAULTS, MockApp, running_server, scenario_names

HTML = ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "mock" / "smarterproctoring_mock" / "page"
NAMES = sorted(path.name for path in FOLDER.iterdir())
ASSETS = ["/" if name == "index.html" else f"/_mock/page/{name}" for name in NAMES]


def fetch(client: Client, path: str = "/", method: str = "GET", *fields: tuple[str, str]) -> Answer:
    return client.call(method, path, None, [HTML, *fields])


def with_host(client: Client, path: str, host: str) -> int:
    data = client.request("GET", path, None, [HTML]).replace(client.host.encode(), host.encode(), 1)
    return client.exchange(data)[0].status


def is_page(answer: Answer) -> bool:
    return answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"


# --- who gets the page ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/", "/?", "/?a=b"])
def test_a_browser_gets_the_page_at_the_root(client: Client, target: str) -> None:
    answer = fetch(client, target)
    assert is_page(answer)
    assert answer.body == (FOLDER / "index.html").read_bytes()


def test_head_is_get_without_the_body(client: Client) -> None:
    head = fetch(client, "/", "HEAD")
    assert (head.status, head.body) == (200, b"")
    get = fetch(client)
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("*/*", True),
        ("text/html", True),
        ("TEXT/HTML;level=1", True),
        ("text/*;q=0.1", True),
        ("application/json", False),
        ("application/json, text/html;q=0", False),
        ("text/html;q=0.0, */*", False),
        ("text/html; q=0.5, */*;q=0", True),
        ("*/*;q=0.000", False),
        ("", False),
        (",;=q", False),
        (None, False),
    ],
)
def test_who_wants_no_html_gets_what_the_spec_says(
    client: Client, app: MockApp, accept: str | None, page: bool
) -> None:
    answer = client.call("GET", "/", None, [] if accept is None else [("Accept", accept)])
    assert is_page(answer) is page
    if not page:
        assert answer.status == 404
        assert answer.json["message"] == "no such path is described (#/paths)"
    assert len(app.requests()) == (not page)


def test_a_call_with_the_apis_token_is_for_the_api(client: Client) -> None:
    assert fetch(client, "/", "GET", ("Token", TOKEN)).status == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"])
def test_other_methods_at_the_root_are_the_apis(client: Client, method: str) -> None:
    answer = fetch(client, "/", method)
    assert answer.status == 404
    assert answer.json["code"] == "404"


@pytest.mark.parametrize(
    "path", ["//", "/.", "/%2F", "/index.html", "/page/", "/_mock//", "/_mock/page", "/favicon.ico"]
)
def test_no_other_path_gives_the_page(client: Client, path: str) -> None:
    assert fetch(client, path).status == 404


def test_the_page_leaves_no_trace(client: Client, app: MockApp) -> None:
    for path in ASSETS:
        assert fetch(client, path).status == 200
    assert (app.requests(), app.audit(), app.total) == ([], [], 0)


def test_a_spec_that_describes_the_root_keeps_it(tmp_path: Path) -> None:
    document: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {"title": "t", "version": "1"},
        "paths": {
            "/": {"get": {"responses": {"200": {"description": "d", "content": {"text/html": {"example": "x"}}}}}}
        },
    }
    file = tmp_path / "spec.json"
    file.write_text(json.dumps(document))
    with running_server(spec=file) as server:
        assert fetch(Client(server.url)).body == b"x"


# --- the files --------------------------------------------------------------------------------------------

TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


@pytest.mark.parametrize(("name", "path"), list(zip(NAMES, ASSETS, strict=True)))
def test_every_file_is_served_with_strict_headers(client: Client, name: str, path: str) -> None:
    answer = fetch(client, path)
    assert answer.body == (FOLDER / name).read_bytes()
    assert answer.headers["content-type"].partition(";")[0] == TYPES[Path(name).suffix]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert not [header for header in answer.headers if header.startswith("access-control")]
    parts = [part.partition(" ") for part in answer.headers["content-security-policy"].split("; ")]
    policy = {directive: value for directive, _, value in parts}
    assert policy.pop("require-trusted-types-for") == "'script'"
    nothing = {"default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"}
    own = {"script-src", "style-src", "img-src", "connect-src"}
    assert policy == dict.fromkeys(nothing, "'none'") | dict.fromkeys(own, "'self'")


@pytest.mark.parametrize("name", NAMES)
def test_no_file_names_another_server(name: str) -> None:
    text = (FOLDER / name).read_text().replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"[a-z]+://|[\"'(]//\w", text)


def test_everything_that_is_referred_to_is_there() -> None:
    html, css = (FOLDER / "index.html").read_text(), (FOLDER / "style.css").read_text()
    assert "url(" not in css
    assert "@import" not in css
    referred = {link for link in re.findall(r'(?:src|href)="(/[^"]*)"', html) if link.startswith("/_mock/page/")}
    for file in FOLDER.glob("*.js"):
        imports: list[str] = re.findall(r'from "(.*)"', file.read_text())
        assert all(re.fullmatch(r"\./[a-z]+\.js", link) for link in imports), file
        referred |= {f"/_mock/page/{link.removeprefix('./')}" for link in imports}
    assert referred == set(ASSETS) - {"/"}


def test_the_page_holds_no_script_or_style_of_its_own() -> None:
    html = (FOLDER / "index.html").read_text()
    assert re.findall(r"<script[^>]*>[^<]", html) == []
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.js")), ids=lambda file: file.name)
def test_no_script_makes_html_or_code_out_of_text(file: Path) -> None:
    text = re.sub(r"//.*", "", file.read_text())
    found = re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b"
        r"|new Function|localStorage|sessionStorage|cookie",
        text,
    )
    assert found is None, found


@pytest.mark.slow
def test_the_wheel_holds_the_page(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT / "mock", check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        for name in NAMES:
            assert content.read(f"smarterproctoring_mock/page/{name}") == (FOLDER / name).read_bytes()


# --- whom it does not answer ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/_mock/page/", "/_mock/page/none.js", "/_mock/page/../admin.py", "/_mock/page/%2e%2e/admin.py"]
)
def test_there_are_no_other_files(client: Client, path: str) -> None:
    assert fetch(client, path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_files_are_only_read(client: Client, method: str) -> None:
    answer = client.call(method, "/_mock/page/main.js", b"{}", [JSON])
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/_mock/page/main.js"])
def test_only_loopback_hosts_are_answered(client: Client, path: str) -> None:
    assert [with_host(client, path, host) for host in ("localhost:1", "127.0.0.1", "[::1]:80")] == [200, 200, 200]
    assert [with_host(client, path, host) for host in ("example.org", "localhost.example.org", "10.0.0.1")] == [403] * 3


def test_the_refusal_of_a_host_says_how_to_let_it_in(client: Client) -> None:
    data = client.request("GET", "/", None, [HTML]).replace(client.host.encode(), b"mock:80", 1)
    assert "--admin-host" in client.exchange(data)[0].json["message"]


def test_a_host_can_be_let_in() -> None:
    with running_server(token=TOKEN, admin_hosts=["mock"]) as server:
        client = Client(server.url)
        assert [with_host(client, "/", host) for host in ("mock:80", "other")] == [200, 403]


VISIT = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        pytest.param("/", [("Sec-Fetch-Site", "none"), *VISIT], 200, id="the address bar"),
        pytest.param("/", [("Sec-Fetch-Site", "cross-site"), *VISIT], 200, id="a link from elsewhere"),
        pytest.param("/", [("Sec-Fetch-Site", "cross-site")], 403, id="a script from elsewhere"),
        pytest.param(
            "/", [("Sec-Fetch-Site", "cross-site"), VISIT[0], ("Sec-Fetch-Dest", "iframe")], 403, id="a frame"
        ),
        pytest.param("/", [("Origin", "https://example.org"), *VISIT], 403, id="another origin"),
        pytest.param("/_mock/page/main.js", [("Sec-Fetch-Site", "same-origin")], 200, id="the page's own script"),
        pytest.param(
            "/_mock/page/main.js", [("Sec-Fetch-Site", "cross-site"), *VISIT], 403, id="a file from elsewhere"
        ),
        pytest.param("/_mock/spec", [("Sec-Fetch-Site", "cross-site"), *VISIT], 403, id="data from elsewhere"),
    ],
)
def test_pages_of_other_origins_are_refused(
    client: Client, path: str, fields: list[tuple[str, str]], status: int
) -> None:
    assert fetch(client, path, "GET", *fields).status == status


# --- what the page asks for -------------------------------------------------------------------------------


def test_the_spec_comes_as_json(client: Client, app: MockApp) -> None:
    found = client.admin("GET", "spec")
    assert found == app.spec.document
    assert found["components"]["schemas"]["SystemType"]["enum"][0] == "b-virtual"


def test_the_catalogue_holds_every_fault_and_scenario(client: Client) -> None:
    found = client.admin("GET", "faults/catalogue")
    assert list(found["faults"]) == list(FAULTS)
    assert found["faults"]["rate-limited"]["retry_after"] == 1
    assert list(found["scenarios"]) == scenario_names()
    assert all(scenario["description"] for scenario in found["scenarios"].values())


def test_requests_since_a_number(client: Client, app: MockApp) -> None:
    for number in range(5):
        client.put({"company": "x" if number % 2 else 1})
    assert [request["number"] for request in client.admin("GET", "requests?since=3")["requests"]] == [4, 5]
    assert [request["number"] for request in client.admin("GET", "requests?since=1&limit=1")["requests"]] == [5]
    assert [request.number for request in app.requests(since=1, status=400)] == [3, 5]
    assert client.admin("GET", "requests?since=9") == {"total": 5, "requests": []}
    assert client.call("GET", "/_mock/requests?since=x", None, []).status == 400


def test_sessions_tell_what_they_were_before(client: Client, app: MockApp) -> None:
    seeded = {"installSid": INSTALL, "examSid": EXAM, "sessionSid": SESSION, "fields": {"notes": "0"}}
    client.admin("POST", "sessions", {"sessions": [seeded]})
    assert client.admin("GET", "sessions") == {"sessions": [seeded]}
    client.put({"notes": "1"})
    client.put({"notes": "1"})  # a replay changes nothing
    client.put({"company": "c"})
    client.put({"company": 1})  # refused
    (session,) = client.admin("GET", "sessions")["sessions"]
    assert session["fields"] == {"notes": "1", "company": "c"}
    assert session["history"] == [{"notes": "0"}, {"notes": "1"}]
    for number in range(20):
        client.put({"notes": str(number)})
    assert [fields["notes"] for fields in app.session(SESSION).history] == [str(n) for n in range(11, 19)]
    client.admin("POST", "sessions", {"sessions": [seeded]})
    assert app.session(SESSION).history == ()


def test_the_newest_sessions(client: Client) -> None:
    for number in range(3):
        client.put(path=path_of(number))
    found = client.admin("GET", "sessions?limit=2")["sessions"]
    assert [session["sessionSid"] for session in found] == [path_of(1)[-34:], path_of(2)[-34:]]
    assert client.admin("GET", "sessions?limit=0")["sessions"] == []
