"""Whatever an index answers: no traceback, no false statement, and an exit code that says what may have happened."""

import re
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import prove_release
import publish
import pytest
import release_record
import simple_index
from package.odd_index import SIMPLE, OddIndex, Page, Reply, document, listed, small_files
from package.releases import SDIST, WHEEL
from packaging.version import Version

pytestmark = [pytest.mark.slow, pytest.mark.tooling]
FILES = small_files()


def answer(
    status: int = 200, kind: str = simple_index.JSON, body: bytes = b"", headers: dict[str, str] | None = None
) -> Page:
    """A page that is always the same."""
    return lambda _: Reply(status, kind, body, headers or {})


def html(body: str) -> Page:
    return answer(kind="text/html", body=body.encode())


def files(*entries: object, **more: object) -> Page:
    return lambda _: document(files=[*entries], **more)


def broken_off(index: OddIndex) -> Reply:
    reply = listed(index)
    reply.length = len(reply.body) + 100
    return reply


GOOD = {"filename": WHEEL, "url": f"/files/{WHEEL}", "hashes": {}}
LOGIN_PAGE = "<html><body><form action='/login'><input type='password'></form></body></html>"
ODD: dict[str, tuple[Page, str]] = {
    "JSON without files": (lambda _: document(), "answered JSON without a list of files"),
    "files that are no list": (lambda _: document(files={"a": 1}), "answered JSON without a list of files"),
    "JSON that is a list": (answer(body=b"[]"), "answered JSON without a list of files"),
    "JSON that is null": (answer(body=b"null"), "answered JSON without a list of files"),
    "JSON that breaks off": (answer(body=b'{"files": [{"filen'), "says that it is JSON, and is not"),
    "JSON that is empty": (answer(), "says that it is JSON, and is not"),
    "JSON in another encoding": (answer(body=b'{"files": ["\xff\xfe"]}'), "says that it is JSON, and is not"),
    "JSON that is deeply nested": (answer(body=b"[" * 200_000), "says that it is JSON, and is not"),
    "HTML where JSON is due": (answer(body=b"<html></html>"), "says that it is JSON, and is not"),
    "a file that is a text": (files(WHEEL), "lists a file without a name or a URL"),
    "a file without a name": (files({"url": "/x.whl"}), "lists a file without a name or a URL"),
    "a name that is a number": (files({"filename": 7, "url": "/x.whl"}), "lists a file without a name or a URL"),
    "a file without a URL": (files({"filename": WHEEL}), "lists a file without a name or a URL"),
    "a URL that is none": (files({"filename": WHEEL, "url": "http://[x/"}), "which is not a URL"),
    "a URL with a wrong port": (files({"filename": WHEEL, "url": "http://h:port/x"}), "which is not a URL"),
    "a URL of a file": (files({"filename": WHEEL, "url": "file:///etc/passwd"}), "neither http nor https"),
    "hashes that are a list": (files({**GOOD, "hashes": ["x"]}), "with hashes that are not texts"),
    "a hash that is a number": (files({**GOOD, "hashes": {"sha256": 7}}), "with hashes that are not texts"),
    "versions that are a text": (files(versions="1.0.0"), "with versions that are not texts"),
    "versions that are none": (files(versions=["one"]), "lists an invalid version"),
    "another package's file": (
        files({"filename": "other-1.0.0.tar.gz", "url": "/x"}),
        "lists other-1.0.0.tar.gz, which is not the name of a file of smarterproctoring-client",
    ),
    "version 2 of the interface": (lambda _: document(meta={"api-version": "2.0"}, files=[]), "version 2.0"),
    "a log-in page": (html(LOGIN_PAGE), "a page with a form or a script and no files"),
    "a page of links": (html("<html><a href='/help'>Help</a></html>"), "which is not an answer of a simple index"),
    "a page that breaks off": (html(f"<html><body><a href='/files/{WHEEL}'>"), "answered a page that breaks off"),
    "a text that says it is HTML": (html("ok"), "says that it is HTML, and holds none"),
    "HTML in another encoding": (answer(kind="text/html", body=b"<a href='\xff'>"), "says that it is HTML, and is not"),
    "a plain text": (answer(kind="text/plain", body=b"ok"), "answered text/plain"),
    "no content type": (answer(kind="", body=b"{}"), "without a content type"),
    "a body that breaks off": (broken_off, "cannot be read"),
    "a body that is no gzip": (answer(body=b"no", headers={"Content-Encoding": "gzip"}), "cannot be read"),
    "500": (answer(500, "text/html", b"<html>Oops</html>"), "answered 500: the index is out of order. Try again later"),
    "503": (answer(503, "text/plain"), "answered 503: the index is out of order. Try again later"),
    "429": (answer(429, "text/plain"), "answered 429: too many requests. Try again later"),
    "400": (answer(400, "text/plain"), "answered 400. Is INDEX_URL a simple index?"),
    "204": (answer(204), "answered 204. Is INDEX_URL a simple index?"),
    "a redirect to itself": (answer(302, headers={"Location": SIMPLE}), "redirects more than 10 times"),
    "a redirect round and round": (answer(301, headers={"Location": "/again"}), "redirects more than 10 times"),
    "a redirect to nowhere": (answer(302), "answered 302. Is INDEX_URL a simple index?"),
    "a redirect to no URL": (answer(302, headers={"Location": "http://x:y/"}), "cannot be read"),
    "401": (answer(401), "answered 401: the index does not know this name and password"),
    "403": (answer(403), "answered 403: the index does not know this name and password"),
}
"""Answers to the list of files: the answer, and what has to be said of it."""


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    code: int
    output: str

    @property
    def said(self) -> str:
        """The output on one line."""
        return " ".join(self.output.split())


Run = Callable[..., Ended]


@pytest.fixture
def run(repository: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Publishes the small files, or proves them; nothing is installed, and nobody waits for an index."""
    monkeypatch.setattr(publish, "ROOT", repository)
    monkeypatch.setattr(publish, "INDEX_DELAY", 0.0)
    installed: list[str] = []
    monkeypatch.setattr(publish, "install_and_call", lambda _, version, *__: installed.append(str(version)))
    for name in ("UV_PUBLISH_TOKEN", "UPLOAD_URL", "DEPENDENCIES_URL", "RELEASE_SIGNING_KEY", "JUDGED_SHA256"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_PUBLISH_USERNAME", "release-bot")
    monkeypatch.setenv("UV_PUBLISH_PASSWORD", "s3cret-of-the-index")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    dist = repository / "dist"
    dist.mkdir()
    for name, content in FILES.items():
        (dist / name).write_bytes(content)
    release_record.write(dist, repository, "1.0.0")
    made = repository.parent / "made"
    shutil.copytree(dist, made)
    (made / release_record.RECORD).unlink()

    @contextmanager
    def built() -> Generator[Path]:
        yield made

    monkeypatch.setattr(publish, "built", built)

    def run(program: str, index: OddIndex, *options: str) -> Ended:
        installed.clear()
        monkeypatch.setenv("INDEX_URL", index.url)
        if program == "publish":
            monkeypatch.setattr("sys.argv", ["publish.py", *options])
            code = publish.main()
        else:
            monkeypatch.setattr("sys.argv", ["prove_release.py", "1.0.0", "--dist", str(dist), *options])
            code = prove_release.main()
        told = capfd.readouterr()
        output = told.out + told.err
        assert "Traceback" not in output
        assert "s3cret-of-the-index" not in output
        assert installed == ([] if code else ["1.0.0"]), "it is installed exactly where all else is right"
        return Ended(code, output)

    return run


# -- the list of files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_before_the_upload_is_refused(run: Run, name: str) -> None:
    page, words = ODD[name]
    with OddIndex(FILES, page=page) as index:
        done = run("publish", index)
        assert index.uploads == 0
    assert done.code == 1, done.output
    assert words in done.said
    assert done.said.endswith("Nothing was uploaded.")


@pytest.mark.parametrize("name", ODD)
def test_an_odd_answer_after_the_upload_leaves_the_proof_for_later(run: Run, name: str) -> None:
    """Exit code 3; nothing says that nothing was uploaded, or that the version should be withdrawn."""
    page, words = ODD[name]
    with OddIndex(FILES, after=page) as index:
        done = run("publish", index)
        assert index.uploads == 2
        assert done.code == 3, done.output
        assert words in done.said
        assert "1.0.0 was uploaded, but the proof could not be made" in done.said
        assert "Make it later: make prove-release VERSION=1.0.0" in done.said
        assert "Nothing was uploaded" not in done.said
        assert "Withdraw" not in done.said

        index.after = None
        later = run("prove", index)
    assert later.code == 0, later.output
    assert later.said.endswith("proven smarterproctoring-client 1.0.0")


@pytest.mark.parametrize("name", ["JSON without files", "a log-in page", "500", "401", "a redirect to itself"])
def test_an_odd_answer_after_an_upload_that_failed_is_not_called_nothing(run: Run, name: str) -> None:
    page, words = ODD[name]
    with OddIndex(FILES, after=page, upload="lost") as index:
        done = run("publish", index)
    assert done.code == 3, done.output
    assert words in done.said
    assert "it is unknown which files of 1.0.0 were uploaded" in done.said
    assert "Nothing was uploaded" not in done.said


def test_an_index_that_is_not_there(run: Run) -> None:
    index = OddIndex(FILES)
    with index:
        pass
    done = run("publish", index)
    assert done.code == 1
    assert "cannot be read" in done.said
    assert done.said.endswith("Nothing was uploaded.")
    proof = run("prove", index)
    assert proof.code == 1
    assert "The proof could not be made; nothing is known to be wrong with the release." in proof.said


# -- uploads that end oddly ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("upload", ["error", "lost"])
def test_an_upload_whose_answer_is_lost_is_looked_for_on_the_index(run: Run, upload: str) -> None:
    """The last answer is lost although both files are there: then the proof is made."""
    with OddIndex(FILES, held={SDIST}, upload=upload) as index:
        done = run("publish", index, "--resume")
        assert index.held == {WHEEL, SDIST}
    assert done.code == 0, done.output
    assert "the answer was lost or was an error, and yet the index holds all files with the same bytes" in done.said
    assert "published smarterproctoring-client 1.0.0" in done.said


def test_an_upload_that_was_refused(run: Run) -> None:
    with OddIndex(FILES, upload="refused") as index:
        done = run("publish", index)
    assert done.code == 2, done.output
    assert "the index did not take the upload" in done.said
    assert "The index lists nothing of 1.0.0 now" in done.said
    assert "Nothing was uploaded" not in done.said


def test_an_upload_of_which_a_part_arrived(run: Run) -> None:
    with OddIndex(FILES, upload="half") as index:
        done = run("publish", index)
        (there,) = index.held
        (missing,) = {WHEEL, SDIST} - index.held
        assert done.code == 3, done.output
        assert f"A part of 1.0.0 was uploaded: {there}; missing: {missing}" in done.said
        assert "make publish RESUME=1" in done.said
        index.upload = "taken"
        assert run("publish", index, "--resume").code == 0


def test_an_upload_that_failed_where_somebody_elses_files_arrived(run: Run) -> None:
    other = {"filename": WHEEL, "url": f"/files/{SDIST}", "hashes": {}}
    with OddIndex(FILES, held={SDIST}, page=answer(404), after=files(other), upload="refused") as index:
        done = run("publish", index)
    assert done.code == 3, done.output
    assert f"the index now has files of 1.0.0 that nobody judged: {WHEEL}" in done.said


# -- what the index says and does not give --------------------------------------------------------------------------


def test_a_version_without_files_before_the_upload(run: Run) -> None:
    with OddIndex(FILES, page=files(versions=["1.0.0"])) as index:
        done = run("publish", index)
    assert done.code == 1
    assert "the index says that it has 1.0.0, and lists no file of it" in done.said


@pytest.mark.parametrize(
    "after",
    [files(versions=["1.0.0"]), files(GOOD, versions=["1.0.0"]), answer(404), html("<html></html>")],
    ids=["version only", "one file", "nothing", "empty page"],
)
def test_what_the_index_does_not_list_is_not_called_wrong(run: Run, after: Page) -> None:
    with OddIndex(FILES, after=after) as index:
        done = run("publish", index)
        assert done.code == 3, done.output
        assert re.search(rf"the index does not list (\S+, )?{re.escape(SDIST)} after 0 s", done.said)
        assert "make prove-release VERSION=1.0.0" in done.said


def test_files_that_are_listed_and_not_given(run: Run) -> None:
    with OddIndex(FILES, download=lambda _: Reply(404, "text/plain")) as index:
        done = run("publish", index)
    assert done.code == 3
    assert "The index lists a file that it does not give" in done.said
    assert "could not be made" in done.said


@pytest.mark.parametrize(
    "wrong",
    [
        lambda index: document(files=[{**entry(name), "hashes": {"sha256": "0" * 64}} for name in index.held]),
        lambda index: Reply(
            kind="text/html",
            body="".join(f"<a href='/files/{name}#sha256={'0' * 64}'>{name}</a>" for name in index.held).encode(),
        ),
    ],
    ids=["JSON", "HTML"],
)
def test_hashes_that_are_not_those_of_the_files(run: Run, wrong: Page) -> None:
    with OddIndex(FILES, after=wrong) as index:
        done = run("publish", index)
    assert done.code == 3
    assert "the index contradicts itself" in done.said
    assert "could not be made" in done.said


def entry(name: str) -> dict[str, object]:
    return {"filename": name, "url": f"/files/{name}"}


@pytest.mark.parametrize("program", ["publish", "prove"])
def test_other_bytes_fail_the_proof(run: Run, program: str) -> None:
    """Then, and only then, the version has to be withdrawn."""
    held = {WHEEL, SDIST} if program == "prove" else set[str]()
    with OddIndex(FILES, held=held, download=lambda content: Reply(kind="", body=content + b"\0")) as index:
        done = run(program, index)
    assert done.code == 3, done.output
    assert "the index gives other bytes than were judged" in done.said
    assert "Withdraw (yank) this version on the index" in done.said


def test_a_file_that_nobody_judged_fails_the_proof(run: Run) -> None:
    stranger = {"filename": WHEEL.replace("-py3", "-1-py3"), "url": f"/files/{WHEEL}", "hashes": {}}
    with OddIndex(FILES, held={WHEEL, SDIST}, page=files(stranger, GOOD, entry(SDIST))) as index:
        done = run("prove", index)
    assert done.code == 3
    assert "another file of 1.0.0, which nobody judged" in done.said


def test_a_redirect_to_another_host_counts_as_nothing(run: Run) -> None:
    """And the password does not go there; the other host has nothing to say about this package."""
    with (
        OddIndex(FILES, held={WHEEL, SDIST}) as public,
        OddIndex(FILES, page=answer(302, headers={"Location": public.url + "smarterproctoring-client/"})) as index,
    ):
        done = run("publish", index)
        assert public.requests == []
    assert done.code == 3
    assert "the index does not list" in done.said


def test_an_index_in_html_with_its_links_is_read(run: Run) -> None:
    """As pypiserver, devpi and a plain web server write it: with hashes, a form, a link to the folder above."""

    def page(index: OddIndex) -> Reply:
        links = "".join(
            f'<a href="/files/{name}#sha256={release_record.sha256(FILES[name])}">{name}</a>' for name in index.held
        )
        body = f"<!DOCTYPE html><html><form></form><a href='../'>..</a>{links}<a href='x.whl.metadata'>m</a></html>"
        return Reply(kind="text/html; charset=utf-8", body=body.encode())

    with OddIndex(FILES, after=page) as index:
        assert run("publish", index).code == 0


# -- a proof made later ---------------------------------------------------------------------------------------------


def test_a_proof_needs_to_know_what_was_judged(run: Run, repository: Path) -> None:
    with OddIndex(FILES, held={WHEEL, SDIST}) as index:
        assert run("prove", index).code == 0
        (repository / "dist" / release_record.RECORD).unlink()
        done = run("prove", index)
    assert done.code == 1
    assert "says nothing about 1.0.0. Put the release's assets there, or make the record again" in done.said


def test_a_record_and_a_statement_that_disagree(run: Run, repository: Path) -> None:
    with OddIndex(FILES) as index:
        assert run("publish", index).code == 0
        done = run("prove", index)
        assert done.code == 0
        assert "NOT SIGNED" in done.said
        record = repository / "dist" / release_record.RECORD
        record.write_text(record.read_text().replace(release_record.sha256(FILES[WHEEL]), "0" * 64))
        done = run("prove", index)
    assert done.code == 1
    assert "the record and the statement in" in done.said


@pytest.mark.parametrize(
    ("name", "version"),
    [
        (WHEEL, "1.0.0"),
        (SDIST, "1.0.0"),
        ("smarterproctoring_client-1.0.0-1-py3-none-any.whl", "1.0.0"),
        ("smarterproctoring-client-1.0.0.tar.bz2", "1.0.0"),
        ("smarterproctoring.client-1.0.0.post1.zip", "1.0.0.post1"),
        ("smarterproctoring_client-1.1.0rc1-py3.11.egg", "1.1.0rc1"),
        ("smarterproctoring_client-1.0.0.1.tar.xz", "1.0.0.1"),
        ("other-1.0.0.tar.bz2", None),
        ("smarterproctoring_client.whl", None),
    ],
)
def test_the_version_of_a_file_by_its_name(name: str, version: str | None) -> None:
    assert simple_index.version_of(name) == (version and Version(version))
