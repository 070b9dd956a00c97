"""State which commit a release's files were built from (in-toto, SLSA provenance), sign it, and verify it offline.

    tools/attestation.py DIST [--public-key FILE]     verify the files of a folder and the statement next to them

The statement is a DSSE envelope, one line of JSON in a file that is named after the version, such as
smarterproctoring_client-1.0.0.intoto.jsonl. It is signed where RELEASE_SIGNING_KEY holds an Ed25519 private key (PEM,
without a password). An unsigned statement lists the files and the commit, but does not
prove who wrote it.

Exit codes: 0 the files are those of the statement, and with a key: its owner signed it; 1 they are not.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from release_record import (
    ROOT,
    STATEMENT,
    STEM,
    Record,
    RefusedError,
    is_companion,
    sha256,
)

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:smarterproctoring-client:make-build:1"
BY_HAND = "urn:smarterproctoring-client:built-by-hand"
KEY_VARIABLE = "RELEASE_SIGNING_KEY"
SPEC = "openapi/smarterproctoring.yaml"
LOCK = "requirements/dev.txt"


class Signature(TypedDict):
    """One signature of an envelope; `sig` is base64."""

    keyid: str
    sig: str


class Envelope(TypedDict):
    """A DSSE envelope; `payload` is base64."""

    payloadType: str
    payload: str
    signatures: list[Signature]


@dataclass(frozen=True)
class Statement:
    """What was read from an envelope, and whether its signature was checked."""

    version: str
    commit: str
    tag: str
    files: dict[str, str]
    signed: bool
    """Whether the envelope holds any signature."""
    verified: bool
    """Whether the given key's owner signed it."""


def statement_file(dist: Path, version: str) -> Path:
    """Return where the statement about a version is."""
    return dist / f"{STEM}-{version}{STATEMENT}"


# -- keys ---------------------------------------------------------------------------------------------------------


def signing_key(environment: Mapping[str, str]) -> Ed25519PrivateKey | None:
    """Return the key that the environment holds; None if it holds none.

    Raises:
        RefusedError: What it holds is not such a key.
    """
    text = environment.get(KEY_VARIABLE, "")
    if not text.strip():
        return None
    try:
        key = serialization.load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        # The value is not shown: it may be a secret.
        raise RefusedError(
            f"{KEY_VARIABLE} is not an Ed25519 private key in PEM without a password. "
            "Make one: openssl genpkey -algorithm ed25519"
        )
    return key


def public_key(file: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        RefusedError: The file is not one.
    """
    try:
        key = serialization.load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise RefusedError(
            f"{file} cannot be read: {error.strerror}. Check PUBLIC_KEY"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise RefusedError(
            f"{file} is not an Ed25519 public key in PEM. Check PUBLIC_KEY"
        )
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the key (SubjectPublicKeyInfo, DER), in hexadecimal."""
    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return sha256(info)


# -- making one ---------------------------------------------------------------------------------------------------


def builder(environment: Mapping[str, str]) -> str:
    """Name the builder: the workflow on GitHub, or a manual build."""
    server = environment.get("GITHUB_SERVER_URL")
    workflow = environment.get("GITHUB_WORKFLOW_REF")
    return f"{server}/{workflow}" if server and workflow else BY_HAND


def statement(
    record: Record, tag: str, environment: Mapping[str, str], root: Path = ROOT
) -> dict[str, object]:
    """Make the statement about judged files.

    Args:
        record: The files and their commit.
        tag: The tag of the commit.
        environment: The environment variables, which name the builder.
        root: The tree of the commit.
    """
    sources: list[dict[str, object]] = [
        {"uri": f"git+{tag}", "digest": {"gitCommit": record.commit}}
    ]
    inputs: list[dict[str, object]] = [
        {"uri": name, "digest": {"sha256": sha256((root / name).read_bytes())}}
        for name in (SPEC, LOCK)
        if (root / name).is_file()
    ]
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": digest}}
            for name, digest in sorted(record.files.items())
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "commit": record.commit,
                    "tag": tag,
                    "version": record.version,
                },
                "resolvedDependencies": [*sources, *inputs],
            },
            "runDetails": {"builder": {"id": builder(environment)}},
        },
    }


def pre_authentication(payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's encoding of type and payload."""
    kind = PAYLOAD_TYPE.encode()
    return b" ".join(
        (b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload)
    )


def envelope(content: dict[str, object], key: Ed25519PrivateKey | None) -> Envelope:
    """Put a statement into an envelope, signed if there is a key."""
    payload = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    signatures: list[Signature] = []
    if key is not None:
        signature = key.sign(pre_authentication(payload))
        signatures.append(
            {
                "keyid": key_id(key.public_key()),
                "sig": base64.b64encode(signature).decode(),
            }
        )
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": signatures,
    }


def write(
    dist: Path,
    record: Record,
    tag: str,
    key: Ed25519PrivateKey | None,
    root: Path = ROOT,
) -> Path:
    """Write the statement next to the files it is about; return where."""
    file = statement_file(dist, record.version)
    made = envelope(statement(record, tag, os.environ, root), key)
    file.write_text(json.dumps(made, sort_keys=True) + "\n", encoding="utf-8")
    return file


# -- verifying one ------------------------------------------------------------------------------------------------


def read(file: Path, key: Ed25519PublicKey | None) -> Statement:
    """Read a statement, and check its signature if a key is given.

    Raises:
        RefusedError: It is not a statement about a release, or the key's owner did not sign it.
    """
    not_one = f"{file.name} is not an in-toto statement in a DSSE envelope"
    try:
        found = json.loads(file.read_bytes())
    except OSError as error:
        raise RefusedError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{not_one}: {error}") from None
    match found:
        case {
            "payloadType": str(kind),
            "payload": str(text),
            "signatures": list(signatures),
        } if kind == PAYLOAD_TYPE:
            pass
        case _:
            raise RefusedError(not_one)
    try:
        payload = base64.b64decode(text, validate=True)
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise RefusedError(f"{not_one}: {error}") from None
    verified = key is not None and any(
        _signed_by(key, payload, signature) for signature in signatures
    )
    if key is not None and not verified:
        reason = (
            "is signed by another key, or was changed"
            if signatures
            else "is not signed"
        )
        raise RefusedError(
            f"{file.name} {reason}; the key {key_id(key)[:16]}… of PUBLIC_KEY did not sign it"
        )
    return _read_content(file, content, signed=bool(signatures), verified=verified)


def _signed_by(key: Ed25519PublicKey, payload: bytes, signature: object) -> bool:
    match signature:
        case {"sig": str(text)}:
            pass
        case _:
            return False
    try:
        key.verify(base64.b64decode(text, validate=True), pre_authentication(payload))
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _read_content(
    file: Path, content: object, *, signed: bool, verified: bool
) -> Statement:
    match content:
        case {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": "https://slsa.dev/provenance/v1",
            "subject": list(subjects),
            "predicate": {
                "buildDefinition": {
                    "externalParameters": {
                        "commit": str(commit),
                        "tag": str(tag),
                        "version": str(version),
                    }
                }
            },
        }:
            pass
        case _:
            raise RefusedError(
                f"{file.name} is not an in-toto statement with SLSA provenance of this package"
            )
    files: dict[str, str] = {}
    for subject in cast("list[object]", subjects):
        match subject:
            case {"name": str(name), "digest": {"sha256": str(digest)}} if (
                Path(name).name == name
            ):
                files[name] = digest
            case _:
                raise RefusedError(
                    f"{file.name} has a subject without a name or a sha256"
                )
    return Statement(version, commit, tag, files, signed, verified)


def verify(dist: Path, key: Ed25519PublicKey | None) -> Statement:
    """Compare the files of a folder with the one statement in it.

    Raises:
        RefusedError: A file is missing, has other bytes, or is not in the statement; or the statement is not right.
    """
    found = sorted(dist.glob(f"*{STATEMENT}"))
    if len(found) != 1:
        raise RefusedError(
            f"{dist} holds {len(found)} statements (*{STATEMENT}) where one is needed. Check DIST"
        )
    told = read(found[0], key)
    present = {
        file.name: sha256(file.read_bytes())
        for file in dist.iterdir()
        if not is_companion(file.name)
    }
    problems = [
        f"{name} is missing, but is in the statement"
        for name in sorted(told.files.keys() - present.keys())
    ]
    problems += [
        f"{name} is not in the statement"
        for name in sorted(present.keys() - told.files.keys())
    ]
    problems += [
        f"{name} has other bytes than the statement says"
        for name in sorted(present.keys() & told.files.keys())
        if present[name] != told.files[name]
    ]
    if found[0] != statement_file(dist, told.version):
        problems.append(f"{found[0].name} is a statement about {told.version}")
    if problems:
        raise RefusedError(*problems)
    return told


def worth(told: Statement) -> str:
    """Describe whether a statement is signed and verified."""
    if told.verified:
        return "signed by the owner of the given key"
    if told.signed:
        return "NOT VERIFIED: it is signed, but no PUBLIC_KEY was given to check the signature with"
    return "NOT SIGNED: anybody could have written it"


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "dist", type=Path, help="the folder with the files and the statement"
    )
    parser.add_argument(
        "--public-key",
        type=Path,
        help="the Ed25519 public key (PEM) that must have signed",
    )
    options = parser.parse_args()
    try:
        told = verify(
            options.dist, public_key(options.public_key) if options.public_key else None
        )
    except (RefusedError, OSError) as error:
        problems = error.problems if isinstance(error, RefusedError) else [str(error)]
        for problem in problems:
            print(f"refused: {problem}", file=sys.stderr)
        return 1
    for name, digest in sorted(told.files.items()):
        print(f"{digest}  {name}")
    print(
        f"these are the files of {told.version}, built from {told.tag} ({told.commit})"
    )
    print(f"the statement is {worth(told)}" if told.verified else worth(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
