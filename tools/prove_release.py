"""Prove a release on the index: its files are those that the gates judged, and the installed package works.

    tools/prove_release.py VERSION [--dist FOLDER] [--public-key FILE]

For a proof that could not be made when the version was published, or to repeat it at any time. The folder says what the
files must be: by its judged.json (`make check-package` at the version's tag gives it again), by its statement
(….intoto.jsonl, from the release's assets), or by both, which then have to agree. With a public key the statement must
be signed by its owner.

INDEX_URL, DEPENDENCIES_URL and the name and password come from the environment, as for tools/publish.py.

Exit codes: 0 proven; 1 the proof could not be made; 3 the index gives something else, or it does not work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import attestation
import publish
import release_record
from packaging.version import InvalidVersion, Version
from release_record import ROOT, RefusedError
from simple_index import PACKAGE, Index


def expected_files(dist: Path, version: str, public_key: Path | None) -> dict[str, str]:
    """Return the SHA-256 of each file of a version for the index, by the file's name.

    Args:
        dist: The folder that holds the record, the statement or both.
        version: Which version.
        public_key: The key that has to have signed the statement.

    Raises:
        RefusedError: Neither is there, they are not about this version, or they disagree.
    """
    found: list[dict[str, str]] = []
    if (dist / release_record.RECORD).exists():
        record = release_record.read(dist)
        if record.version != version:
            raise RefusedError(
                f"{dist.name}/{release_record.RECORD} is about {record.version}, not {version}"
            )
        found.append(record.files)
        publish.say(
            "record",
            f"{dist.name}/{release_record.RECORD}: the files that the gates judged",
        )
    file = attestation.statement_file(dist, version)
    if file.exists():
        key = attestation.public_key(public_key) if public_key else None
        told = attestation.read(file, key)
        if told.version != version:
            raise RefusedError(f"{file.name} is a statement about {told.version}")
        found.append(told.files)
        publish.say("statement", f"{file.name}: {attestation.worth(told)}")
    elif public_key:
        raise RefusedError(
            f"{file} is missing, so there is no signature to check. Take it from the release's assets"
        )
    if not found:
        raise RefusedError(
            f"{dist} says nothing about {version}. Put the release's assets there, or make the record again: "
            f"git checkout v{version} && make check-package"
        )
    if any(files != found[0] for files in found):
        raise RefusedError(
            f"the record and the statement in {dist} disagree. Find out which of them was changed"
        )
    distributions = {
        name: digest
        for name, digest in found[0].items()
        if name.endswith(release_record.DISTRIBUTIONS)
    }
    if not any(name.endswith(".whl") for name in distributions):
        raise RefusedError(f"{dist} does not name a wheel of {version}")
    return distributions


def prove(version: str, dist: Path, public_key: Path | None) -> None:
    """Download, compare, install, call.

    Raises:
        RefusedError: The proof cannot be made.
        publish.ProofFailedError: The index gives something else, or it does not work.
    """
    to = publish.settings()
    try:
        wanted = Version(version)
    except InvalidVersion:
        raise RefusedError(
            f"VERSION={version} is not a version. Run: make prove-release VERSION=1.0.0"
        ) from None
    expected = expected_files(dist, str(wanted), public_key)
    login = publish.credentials(to.index_url)
    with Index(to.index_url, login) as index:
        publish.compare(index, wanted, expected)
        publish.install_and_call(index, wanted, expected, login, to.dependencies_url)
    publish.say("proven", f"{PACKAGE} {wanted}")


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version", help="which version")
    parser.add_argument(
        "--dist",
        type=Path,
        default=ROOT / "dist",
        help="holds the record or the statement",
    )
    parser.add_argument(
        "--public-key",
        type=Path,
        help="the Ed25519 public key (PEM) that must have signed",
    )
    options = parser.parse_args()
    try:
        prove(options.version, options.dist, options.public_key)
    except publish.ProofFailedError as failure:
        print(
            f"error: the proof of {options.version} failed: {failure}\n"
            "Withdraw (yank) this version on the index, fix the cause, and release the next one.",
            file=sys.stderr,
        )
        return 3
    except RefusedError as refused:
        for problem in refused.problems:
            print(f"error: {problem}", file=sys.stderr)
        print(
            "The proof could not be made; nothing is known to be wrong with the release.",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
