"""`make publish`: what it proves, and everything that it refuses before a file leaves the machine.

The fixtures `released` and `two_versions` publish by make, as do two tests here; the others call the tool itself, with
files that were released before in place of a build.
"""

import os
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import publish
import pytest
import release_record
import simple_index
from docs.quotes import BYTES, DIGEST, PORT, quoted, same
from loopback import LOGIN, PASSWORD, USERNAME, Done, Index, check, make, running_index
from package.releases import SDIST, WHEEL, Released, commit, edit, files_of, set_version
from packaging.version import Version
from release_record import RefusedError
from simple_index import Credentials

BILL = "smarterproctoring_client-1.0.0.cdx.json"
NOWHERE = "http://127.0.0.1:9/simple/"  # refused before anybody looks whether an index is there
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # which only ends a hang: they build and install


def refused(done: Done, *words: str) -> None:
    """Expect a refusal that holds the words, and nothing uploaded."""
    assert done.code != 0, done.output
    assert "Nothing was uploaded." in done.output
    said = " ".join(done.output.split())
    for word in words:
        assert word in said


Publish = Callable[..., Done]


@pytest.fixture
def tool(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Publish:
    """Runs tools/publish.py in the test's repository, as if its commit built the given files.

    They lie in dist/ with a record of the gates, unless the test has filled dist/ itself.
    """
    for name in os.environ:
        if name.startswith("UV_PUBLISH_") or name in (
            "INDEX_URL",
            "UPLOAD_URL",
            "DEPENDENCIES_URL",
            "RELEASE_SIGNING_KEY",
            "JUDGED_SHA256",
        ):
            monkeypatch.delenv(name)
    monkeypatch.setattr(publish, "ROOT", repository)

    def run(*options: str, builds: Sequence[Path] = (), **variables: str) -> Done:
        made = tmp_path / "made"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for file in builds:
            shutil.copy(file, made)
        if builds:
            (made / BILL).write_text("{}")
            if not (repository / "dist").exists():
                shutil.copytree(made, repository / "dist")
                release_record.write(repository / "dist", repository, "1.0.0")

        @contextmanager
        def built() -> Generator[Path]:
            yield made

        with pytest.MonkeyPatch.context() as now:
            now.setattr(publish, "built", built)
            now.setattr(sys, "argv", ["publish.py", *options])
            for name, value in variables.items():
                now.setenv(name, value)
            code = publish.main()
        told = capfd.readouterr()
        return Done(code, told.out + told.err)

    return run


def digests(files: Sequence[Path]) -> dict[str, str]:
    """The SHA-256 of files by their names."""
    return {file.name: release_record.sha256(file.read_bytes()) for file in files}


# -- what works ---------------------------------------------------------------------------------------------------


def test_what_was_built_is_published_and_proven(released: Released) -> None:
    assert released.index.files == files_of("1.0.0")
    said = " ".join(released.output.split())
    assert "the index gives the same bytes that were built and judged" in said
    names = "smarterproctoring-bulk, smarterproctoring-client, smarterproctoring-mock"
    assert f"{names} 1.0.0: installed from the index into an empty environment" in said
    assert "its client moved a session on its mock server: 200 after 1 attempt" in said
    assert said.endswith("published smarterproctoring-client 1.0.0")


def test_the_password_is_in_no_output_and_no_command_line(released: Released) -> None:
    assert PASSWORD not in released.output
    assert any("uv publish" in command for command in released.seen_commands), "nobody looked"
    assert any("pip install" in command for command in released.seen_commands), "nobody looked"
    assert not [command for command in released.seen_commands if PASSWORD in command]


def test_a_dry_run_checks_everything_and_changes_nothing(tool: Publish, released: Released, private: Index) -> None:
    done = tool("--dry-run", builds=released.distributions, INDEX_URL=private.url, **LOGIN)
    assert done.code == 0, done.output
    assert (
        f"would upload {', '.join(sorted(files_of('1.0.0')))} to {private.url.removesuffix('simple/')} as {USERNAME}"
        in done.output
    )
    assert "would take the dependencies from the public index" in done.output
    assert private.files == set()


def test_a_dry_run_prints_what_the_document_shows(
    tool: Publish, repository: Path, two_versions: Released, private: Index
) -> None:
    set_version(repository, "1.1.0")
    dist = repository / "dist"
    dist.mkdir()
    built = [file for file in two_versions.distributions if "1.1.0" in file.name]
    for file in built:
        shutil.copy(file, dist)
    (dist / BILL).write_text("{}")  # as the fixture's build has it
    release_record.write(dist, repository, "1.1.0")
    (shown,) = quoted("docs/maintaining/releasing.md", "make publish-dry-run INDEX_URL=")
    done = tool("--dry-run", builds=built, INDEX_URL=private.url, **LOGIN)
    assert done.code == 0, done.output
    same(shown, done.output, PORT, DIGEST, BYTES)


def test_an_upload_that_broke_off_is_finished_when_asked_to(
    tool: Publish, released: Released, private: Index, two_versions: Released
) -> None:
    shutil.copy(released.index.folder / WHEEL, private.folder)
    done = tool(builds=released.distributions, INDEX_URL=private.url, **LOGIN)
    missing = ", ".join(sorted(files_of("1.0.0") - {WHEEL}))
    refused(done, "a part of 1.0.0", f"missing: {missing}", "make publish RESUME=1")
    assert private.files == {WHEEL}

    assert two_versions.index.files == files_of("1.0.0") | files_of("1.1.0")
    assert f"uploaded  {SDIST.replace('1.0.0', '1.1.0')} to " in two_versions.output
    assert two_versions.output.endswith("published smarterproctoring-client 1.1.0\n")


def test_the_next_version_is_compared_with_the_last_release(two_versions: Released) -> None:
    """By both judges, with its files lying in dist/ already."""
    for judge in publish.JUDGED:
        assert f"1.1.0 is a large enough step from v1.0.0 for {judge}" in two_versions.output


def test_the_keyring_is_asked_where_the_environment_has_no_password(
    tool: Publish, released: Released, private: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = tmp_path / "bin" / "keyring"
    keyring.parent.mkdir()
    keyring.write_text(f'#!/bin/sh\n[ "$*" = "get {private.url} {USERNAME}" ] && echo {PASSWORD}\n')
    keyring.chmod(0o755)
    monkeypatch.setenv("PATH", f"{keyring.parent}:/usr/bin:/bin")
    variables = {"INDEX_URL": private.url, "UV_PUBLISH_USERNAME": USERNAME}
    done = tool("--dry-run", builds=released.distributions, **variables)
    assert done.code == 0, done.output
    keyring.write_text("#!/bin/sh\nexit 1\n")
    done = tool("--dry-run", builds=released.distributions, **variables)
    refused(done, f"no password for {USERNAME}", f"keyring set {private.url} {USERNAME}")


# -- what is there already ------------------------------------------------------------------------------------------


def test_the_same_version_is_refused(tool: Publish, released: Released) -> None:
    done = tool(builds=released.distributions, INDEX_URL=released.index.url, **LOGIN)
    refused(done, "1.0.0 is on the index already, with the very same bytes", "make prove-release VERSION=1.0.0")


def test_the_same_version_with_other_bytes_is_refused(tool: Publish, released: Released, tmp_path: Path) -> None:
    other = tmp_path / WHEEL
    other.write_bytes((released.index.folder / WHEEL).read_bytes() + b"\0")
    done = tool(
        builds=[other, *(file for file in released.distributions if file.name != WHEEL)],
        INDEX_URL=released.index.url,
        **LOGIN,
    )
    refused(
        done,
        "1.0.0 is on the index already, with other bytes",
        "raise the version in pyproject.toml and run: make generate",
    )


@pytest.mark.parametrize(
    "name",
    [
        "smarterproctoring_client-1.0.0-1-py3-none-any.whl",
        "smarterproctoring_client-1.0.0-cp311-cp311-win_amd64.whl",
        "smarterproctoring_client-1.0.zip",
        "smarterproctoring-client-1.0.0.tar.bz2",
    ],
)
def test_the_same_version_under_another_file_name_is_refused(
    name: str, released: Released, private: Index, tmp_path: Path
) -> None:
    shutil.copy(released.index.folder / WHEEL, private.folder / name)
    login = Credentials(USERNAME, PASSWORD)
    files = [released.index.folder / WHEEL, released.index.folder / SDIST]
    with simple_index.Index(private.url, login) as index, pytest.raises(RefusedError, match="under another file name"):
        publish.missing_from(index, index.listing(), Version("1.0.0"), digests(files), resume=True)


@pytest.mark.parametrize(
    "name", ["smarterproctoring_client-1.0.1-py3-none-any.whl", "smarterproctoring_client-1.0.0.1.zip"]
)
def test_other_versions_do_not_count(name: str, released: Released, private: Index) -> None:
    shutil.copy(released.index.folder / WHEEL, private.folder / name)
    files = [released.index.folder / WHEEL]
    with simple_index.Index(private.url, Credentials(USERNAME, PASSWORD)) as index:
        missing = publish.missing_from(index, index.listing(), Version("1.0.0"), digests(files), resume=False)
        assert missing == [WHEEL]


def test_what_a_public_index_has_under_the_name_does_not_count(released: Released, tmp_path: Path) -> None:
    public = tmp_path / "public"
    public.mkdir()
    shutil.copy(released.index.folder / WHEEL, public / WHEEL.replace("1.0.0", "99.0.0"))
    with (
        running_index(public, "--open") as outside,
        running_index(tmp_path / "empty", "--fallback", outside.url) as redirecting,
        simple_index.Index(redirecting.url, Credentials(USERNAME, PASSWORD)) as index,
        simple_index.Index(outside.url, None) as open_index,
    ):
        assert len(open_index.listing().files) == 1
        assert index.listing().files == ()


def test_the_proof_fails_where_the_index_gives_other_bytes(released: Released, private: Index) -> None:
    (private.folder / WHEEL).write_bytes((released.index.folder / WHEEL).read_bytes() + b"\0")
    login = Credentials(USERNAME, PASSWORD)
    expected = digests([released.index.folder / WHEEL])
    with (
        simple_index.Index(private.url, login) as index,
        pytest.raises(publish.ProofFailedError, match="gives other bytes"),
    ):
        publish.compare(index, Version("1.0.0"), expected)


# -- who may --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("login", "words"),
    [
        ({"UV_PUBLISH_USERNAME": USERNAME, "UV_PUBLISH_PASSWORD": "wrong-one"}, "answered 403"),
        ({}, "answered 401"),
        ({"UV_PUBLISH_PASSWORD": PASSWORD}, "Set UV_PUBLISH_USERNAME"),
    ],
)
def test_a_wrong_login_is_refused(tool: Publish, private: Index, login: dict[str, str], words: str) -> None:
    done = tool(INDEX_URL=private.url, **login)
    refused(done, words, "UV_PUBLISH_USERNAME")
    assert "wrong-one" not in done.output
    assert private.files == set()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://me:hunter2@packages.example.com/simple/", "INDEX_URL holds a user name or a password"),
        ("https://hunter2@packages.example.com/simple/", "INDEX_URL holds a user name or a password"),
        ("http://packages.example.com/simple/", "Use https"),
        ("https://packages.example.com/simple/?token=hunter2", "without ? and #"),
        ("https://packages.example.com/pypi/", "Set UPLOAD_URL"),
        ("packages.example.com/simple", "must be a URL"),
        ("", "make publish INDEX_URL=https://"),
    ],
)
def test_a_url_that_is_not_fit_is_refused_and_its_secret_not_shown(tool: Publish, url: str, words: str) -> None:
    for options in ([], ["--dry-run"]):
        done = tool(*options, INDEX_URL=url)
        refused(done, words)
        assert "hunter2" not in done.output


@pytest.mark.parametrize("target", ["publish", "publish-dry-run"])
def test_make_does_not_show_the_secret_of_a_url_either(template: Path, target: str) -> None:
    done = make(template, target, "INDEX_URL=https://hunter2@packages.example.com/simple/")
    refused(done, "INDEX_URL holds a user name or a password")
    assert "hunter2" not in done.output


# -- what the tree must be ------------------------------------------------------------------------------------------


def dirty(repository: Path) -> None:
    (repository / "openapi" / "new.yaml").write_text("")


def no_entry(repository: Path) -> None:
    (repository / "CHANGELOG.md").write_text("# Changelog\n\n## [0.9.0] - 2029-01-01\n\n- First.\n")
    commit(repository)


def no_date(repository: Path) -> None:
    edit(repository / "CHANGELOG.md", "2030-01-01", "unreleased")
    commit(repository)


def no_words(repository: Path) -> None:
    edit(repository / "CHANGELOG.md", r"- Something new\.", "")
    commit(repository)


def too_small_a_step(repository: Path) -> None:
    (repository / "verdict").write_text("1 a field was removed, which demands 2.0.0")
    set_version(repository, "1.0.1")


def no_verdict(repository: Path) -> None:
    (repository / "verdict").write_text("2 the tool is broken")
    set_version(repository, "1.0.1")


def backwards(repository: Path) -> None:
    check(["git", "tag", "v1.2.0"], repository)
    set_version(repository, "1.1.0")


def other_tag(repository: Path) -> None:
    check(["git", "tag", "--delete", "v1.0.0"], repository)
    check(["git", "tag", "v1.1.0"], repository)


def no_tag(repository: Path) -> None:
    check(["git", "tag", "--delete", "v1.0.0"], repository)


def pre_release(repository: Path) -> None:
    set_version(repository, "1.1.0rc1")


def released_elsewhere(repository: Path) -> None:
    commit(repository)


def cut_off(repository: Path) -> None:
    original = repository.rename(repository.with_name("original"))
    check(["git", "clone", "--quiet", "--depth", "1", f"file://{original}", str(repository)])


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (dirty, "the tree is dirty, so no commit says what would be published. Commit or stash"),
        (no_entry, "CHANGELOG.md has no entry for 1.0.0. Write one under `## [1.0.0] - 20"),
        (no_date, "does not say when 1.0.0 is released. Make its heading `## [1.0.0] - 20"),
        (no_words, "CHANGELOG.md says nothing about 1.0.0. Write what changed"),
        (
            too_small_a_step,
            "the step from v1.0.0 to 1.0.1 is too small. Raise info.version in the spec and run: make generate: "
            "--base v1.0.0: a field",
        ),
        (
            no_verdict,
            "tools/spec_diff.py could not compare with v1.0.0; fix what it reports: --base v1.0.0: the tool is",
        ),
        (backwards, "v1.2.0 has been released, and pyproject.toml says 1.1.0. Raise"),
        (other_tag, "this commit is tagged v1.1.0, and pyproject.toml says 1.0.0. Tag the right commit v1.0.0"),
        (no_tag, "this commit has no tag, and only a tagged one is published. Run: git tag v1.0.0 && git push origin"),
        (
            pre_release,
            "1.1.0rc1 is not MAJOR.MINOR.PATCH: pre-releases are not published. Change the version in pyproject.toml",
        ),
        (released_elsewhere, "v1.0.0 marks another commit: 1.0.0 was released from there. Raise"),
        (cut_off, "Run: git fetch --unshallow --tags"),
    ],
)
def test_a_tree_that_is_not_fit_is_refused(
    tool: Publish, repository: Path, break_it: Callable[[Path], None], words: str
) -> None:
    break_it(repository)
    refused(tool(INDEX_URL=NOWHERE), words)


def test_all_problems_with_the_tree_are_said_at_once(tool: Publish, repository: Path) -> None:
    no_entry(repository)
    dirty(repository)
    refused(tool(INDEX_URL=NOWHERE), "the tree is dirty", "no entry for 1.0.0")


def test_bytes_that_the_gates_did_not_judge_are_refused(
    tool: Publish, repository: Path, released: Released, private: Index
) -> None:
    """One changed byte in dist/, a file too many, a file too few."""
    done = tool("--dry-run", builds=released.distributions, INDEX_URL=private.url, **LOGIN)
    assert done.code == 0, done.output
    dist = repository / "dist"
    with (dist / WHEEL).open("ab") as wheel:
        wheel.write(b"\0")
    shutil.copy(dist / SDIST, dist / SDIST.replace("1.0.0", "0.9.0"))
    (dist / BILL).unlink()
    for options in ([], ["--built"], ["--dry-run"]):
        done = tool(*options, builds=released.distributions, INDEX_URL=private.url, **LOGIN)
        refused(
            done,
            f"dist/{WHEEL} has other bytes than the gates judged",
            "0.9.0.tar.gz is not a file that the gates judged",
            f"dist/{BILL} is missing",
            "make check-package",
        )
    assert private.files == set()


def test_files_that_no_gate_judged_are_refused(
    tool: Publish, repository: Path, released: Released, private: Index
) -> None:
    done = tool(INDEX_URL=private.url, **LOGIN)
    refused(done, "dist/judged.json is missing, so these files were not judged. Run: make check-package")
    assert tool("--dry-run", builds=released.distributions, INDEX_URL=private.url, **LOGIN).code == 0
    record = repository / "dist" / "judged.json"
    for broken in ("", "[]", "{", '{"version": 1}', '{"version": "1.0.0", "commit": null, "files": {"../x": "0"}}'):
        record.write_text(broken)
        done = tool(builds=released.distributions, INDEX_URL=private.url, **LOGIN)
        refused(done, "dist/judged.json", "make check-package")


def test_files_of_another_commit_are_refused(
    tool: Publish, repository: Path, released: Released, private: Index
) -> None:
    assert tool("--dry-run", builds=released.distributions, INDEX_URL=private.url, **LOGIN).code == 0
    commit(repository)
    check(["git", "tag", "--force", "v1.0.0"], repository)
    done = tool("--built", builds=released.distributions, INDEX_URL=private.url, **LOGIN)
    refused(done, "the files in dist/ were not judged for this commit")


def test_files_that_the_commit_does_not_build_are_refused(
    tool: Publish, repository: Path, released: Released, private: Index, tmp_path: Path
) -> None:
    """Though the gates judged them: in a tree with a file that git ignores, for instance."""
    assert tool("--dry-run", builds=released.distributions, INDEX_URL=private.url, **LOGIN).code == 0
    other = tmp_path / WHEEL
    other.write_bytes(b"another")
    done = tool(
        builds=[other, *(file for file in released.distributions if file.name != WHEEL)], INDEX_URL=private.url, **LOGIN
    )
    refused(done, f"dist/{WHEEL} is not what this commit builds")
    assert private.files == set()


def test_another_record_than_the_gates_gave_is_refused(tool: Publish, released: Released, private: Index) -> None:
    login = {"INDEX_URL": private.url, **LOGIN}
    done = tool("--built", builds=released.distributions, JUDGED_SHA256="0" * 64, **login)
    refused(done, "dist/judged.json is not the record that the gates gave (JUDGED_SHA256)")


# -- what the index holds, and git does not -------------------------------------------------------------------------


def test_a_clone_without_the_tag_of_what_the_index_holds_is_refused(
    tool: Publish, repository: Path, released: Released
) -> None:
    """A field was removed, which demands 2.0.0; without the tags nothing shows it."""
    (repository / "verdict").write_text("1 a field was removed, which demands 2.0.0")
    set_version(repository, "1.0.1")
    original = repository.rename(repository.with_name("original"))
    check(["git", "clone", "--quiet", "--no-tags", f"file://{original}", str(repository)])
    words = "the index holds 1.0.0, and the tag is missing here: v1.0.0."
    for tagged in (False, True):
        if tagged:
            check(["git", "tag", "v1.0.1"], repository)
        for options in ([], ["--dry-run"], ["--built"]):
            done = tool(*options, INDEX_URL=released.index.url, **LOGIN)
            refused(done, words, "Run: git fetch --tags")
            assert "no release before" not in done.output
    check(["git", "fetch", "--quiet", "--tags"], repository)
    done = tool(INDEX_URL=released.index.url, **LOGIN)
    refused(done, "the step from v1.0.0 to 1.0.1 is too small", "which demands 2.0.0")


def test_a_release_from_another_branch_is_compared_with_too(
    tool: Publish, repository: Path, released: Released
) -> None:
    """Its tag is there, but not below this commit."""
    check(["git", "tag", "--delete", "v1.0.0"], repository)
    check(["git", "switch", "--quiet", "--orphan", "other"], repository)
    check(["git", "commit", "--quiet", "--allow-empty", "--message", "Elsewhere"], repository)
    check(["git", "tag", "v1.0.0"], repository)
    check(["git", "switch", "--quiet", "main"], repository)
    (repository / "verdict").write_text("1 a field was removed, which demands 2.0.0")
    set_version(repository, "1.0.1")
    refused(tool(INDEX_URL=released.index.url, **LOGIN), "the step from v1.0.0 to 1.0.1 is too small")
    refused(tool("--built", INDEX_URL=released.index.url, **LOGIN), "v1.0.0 is not below this commit")


def test_a_dry_run_says_that_the_tag_is_missing_yet(
    tool: Publish, repository: Path, released: Released, private: Index
) -> None:
    no_tag(repository)
    done = tool("--dry-run", builds=released.distributions, INDEX_URL=private.url, **LOGIN)
    assert done.code == 0, done.output
    assert "make publish will ask for the tag that is missing yet: git tag v1.0.0" in done.output


def test_a_commit_that_does_not_build_is_refused(template: Path, private: Index, tmp_path: Path) -> None:
    """By make, and built for real."""
    repository = shutil.copytree(template, tmp_path / "whole")
    shutil.rmtree(repository / "dist", ignore_errors=True)
    (repository / "README.md").unlink()
    commit(repository)
    check(["git", "tag", "--force", "v1.0.0"], repository)
    (repository / "dist").mkdir()
    (repository / "dist" / WHEEL).touch()
    release_record.write(repository / "dist", repository, "1.0.0")
    done = make(repository, "publish", INDEX_URL=private.url, **LOGIN)
    refused(done, "the last commit does not build")
    assert private.files == set()
