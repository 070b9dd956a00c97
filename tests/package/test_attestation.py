"""The statement about a release's files: what it says, who signed it, and what verifying finds."""

import base64
import json
from pathlib import Path
from typing import Any

import attestation
import pytest
import release_record
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from loopback import run
from redocly import ROOT
from release_record import Record, RefusedError

pytestmark = pytest.mark.tooling
NAMES = ("smarterproctoring_client-1.0.0-py3-none-any.whl", "smarterproctoring_client-1.0.0.cdx.json")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A folder with two files, their record and a signed statement."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(name)
    record = release_record.write(folder, tmp_path, "1.0.0")
    attestation.write(folder, Record("1.0.0", COMMIT, record.files), "v1.0.0", KEY)
    return folder


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """The public key, in a file."""
    file = tmp_path / "release.pub"
    file.write_bytes(public_pem(KEY))
    return file


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def private_pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def envelope(dist: Path) -> Any:
    return json.loads(attestation.statement_file(dist, "1.0.0").read_text())


def rewrite(dist: Path, content: Any) -> None:
    attestation.statement_file(dist, "1.0.0").write_text(json.dumps(content))


def test_the_statement_says_what_was_built_from_what(dist: Path) -> None:
    """in-toto's Statement v1 with SLSA's provenance v1, in a DSSE envelope."""
    found = envelope(dist)
    assert found["payloadType"] == "application/vnd.in-toto+json"
    content = json.loads(base64.b64decode(found["payload"]))
    assert content["_type"] == "https://in-toto.io/Statement/v1"
    assert content["predicateType"] == "https://slsa.dev/provenance/v1"
    assert content["subject"] == [
        {"name": name, "digest": {"sha256": release_record.sha256(name.encode())}} for name in NAMES
    ]
    definition = content["predicate"]["buildDefinition"]
    assert definition["externalParameters"] == {"commit": COMMIT, "tag": "v1.0.0", "version": "1.0.0"}
    source, spec, lock = definition["resolvedDependencies"]
    assert source == {"uri": "git+v1.0.0", "digest": {"gitCommit": COMMIT}}
    for entry, name in ((spec, "openapi/smarterproctoring.yaml"), (lock, "requirements/dev.txt")):
        assert entry == {"uri": name, "digest": {"sha256": release_record.sha256((ROOT / name).read_bytes())}}


@pytest.mark.parametrize(
    ("environment", "builder"),
    [
        ({}, "urn:smarterproctoring-client:built-by-hand"),
        (
            {
                "GITHUB_SERVER_URL": "https://git.example.com",
                "GITHUB_WORKFLOW_REF": "us/client/.github/workflows/release.yml@refs/tags/v1.0.0",
            },
            "https://git.example.com/us/client/.github/workflows/release.yml@refs/tags/v1.0.0",
        ),
    ],
)
def test_who_built_it(environment: dict[str, str], builder: str) -> None:
    content: Any = attestation.statement(Record("1.0.0", COMMIT, {}), "v1.0.0", environment)
    assert content["predicate"]["runDetails"] == {"builder": {"id": builder}}


def test_the_signature_is_over_dsses_encoding(dist: Path) -> None:
    """Computed here without the tool: any DSSE verifier accepts it."""
    found = envelope(dist)
    payload = base64.b64decode(found["payload"])
    signed = b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload)
    (signature,) = found["signatures"]
    KEY.public_key().verify(base64.b64decode(signature["sig"]), signed)


def test_make_verifies_offline(dist: Path, public: Path) -> None:
    venv = f"PUBLISH={ROOT / '.venv'}"
    command = ["make", "-C", str(ROOT), "-o", f"{ROOT / '.venv'}/.ready", venv, "verify-release", f"DIST={dist}"]
    done = run([*command, f"PUBLIC_KEY={public}"])
    assert done.code == 0, done.output
    assert "the statement is signed by the owner of the given key" in done.output
    assert f"these are the files of 1.0.0, built from v1.0.0 ({COMMIT})" in done.output
    done = run(command)
    assert done.code == 0, done.output
    assert "NOT VERIFIED: it is signed, but no PUBLIC_KEY was given" in done.output
    (dist / NAMES[0]).write_text("another")
    done = run([*command, f"PUBLIC_KEY={public}"])
    assert done.code != 0
    assert f"refused: {NAMES[0]} has other bytes than the statement says" in done.output


def test_an_unsigned_statement_is_called_so(dist: Path, public: Path) -> None:
    record = Record("1.0.0", COMMIT, release_record.read(dist).files)
    attestation.write(dist, record, "v1.0.0", None)
    assert envelope(dist)["signatures"] == []
    told = attestation.verify(dist, None)
    assert attestation.worth(told).startswith("NOT SIGNED: anybody could have written it")
    with pytest.raises(RefusedError, match="is not signed; the key"):
        attestation.verify(dist, attestation.public_key(public))


def test_another_key_and_a_changed_statement_are_refused(dist: Path, public: Path) -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    with pytest.raises(RefusedError, match="is signed by another key, or was changed"):
        attestation.verify(dist, other)
    right = envelope(dist)
    content = json.loads(base64.b64decode(right["payload"]))
    content["predicate"]["buildDefinition"]["externalParameters"]["commit"] = "f" * 40
    rewrite(dist, {**right, "payload": base64.b64encode(json.dumps(content).encode()).decode()})
    with pytest.raises(RefusedError, match="is signed by another key, or was changed"):
        attestation.verify(dist, attestation.public_key(public))
    rewrite(dist, right)
    assert attestation.verify(dist, attestation.public_key(public)).verified


def test_files_that_are_missing_or_too_many_are_named(dist: Path) -> None:
    (dist / NAMES[1]).unlink()
    (dist / "stranger.whl").touch()
    with pytest.raises(RefusedError) as refused:
        attestation.verify(dist, None)
    assert refused.value.problems == (
        f"{NAMES[1]} is missing, but is in the statement",
        "stranger.whl is not in the statement",
    )


@pytest.mark.parametrize(
    "content",
    [
        "", "[]", "null", "{", "[" * 100_000, '{"payload": 1}',
        '{"payloadType": "x", "payload": "", "signatures": []}',
        '{"payloadType": "application/vnd.in-toto+json", "payload": "???", "signatures": []}',
        '{"payloadType": "application/vnd.in-toto+json", "payload": "bm8=", "signatures": []}',
        '{"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": []}',
        '{"payloadType": "application/vnd.in-toto+json", "payload": "e30=", "signatures": [1]}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("with_key", [True, False])
def test_what_is_no_statement_is_refused(dist: Path, public: Path, content: str, with_key: bool) -> None:
    attestation.statement_file(dist, "1.0.0").write_text(content)
    with pytest.raises(RefusedError):
        attestation.verify(dist, attestation.public_key(public) if with_key else None)


def test_a_statement_about_another_version_is_refused(dist: Path) -> None:
    attestation.statement_file(dist, "1.0.0").rename(attestation.statement_file(dist, "1.1.0"))
    with pytest.raises(RefusedError, match=r"is a statement about 1\.0\.0"):
        attestation.verify(dist, None)


def test_the_key_comes_from_the_environment() -> None:
    assert attestation.signing_key({}) is None
    found = attestation.signing_key({"RELEASE_SIGNING_KEY": private_pem(KEY)})
    assert found is not None
    assert attestation.key_id(found.public_key()) == attestation.key_id(KEY.public_key())


@pytest.mark.parametrize("text", ["hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_is_none_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(RefusedError, match="RELEASE_SIGNING_KEY is not an Ed25519 private key") as refused:
        attestation.signing_key({"RELEASE_SIGNING_KEY": text})
    assert "hunter2" not in str(refused.value)


def test_a_public_key_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be read: No such file"):
        attestation.public_key(tmp_path / "none.pub")
    (tmp_path / "other.pub").write_text(private_pem(KEY))
    with pytest.raises(RefusedError, match="is not an Ed25519 public key in PEM"):
        attestation.public_key(tmp_path / "other.pub")
