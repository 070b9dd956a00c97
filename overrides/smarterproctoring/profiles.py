"""Named profiles of the command line: a TOML file with base URL, install, time zone and where the token comes from."""

from __future__ import annotations

import difflib
import os
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from smarterproctoring.errors import ConfigurationError, wrong_settings
from smarterproctoring.problems import Problem
from smarterproctoring.settings import variable
from smarterproctoring.zones import ZoneError, zone

DEFAULT: Final = "default"
"""The profile that is used if none is named and the file has it."""
KEYS: Final = {
    "base_url": "text",
    "install_sid": "text",
    "timezone": "text",
    "token_file": "text",
    "token_command": "a list of texts, the program and its arguments",
    "token_keyring": "a list of two texts, the service and the user name",
}
"""What a profile can hold, and of which kind it is."""
_SOURCES: Final = ("token_file", "token_command", "token_keyring")
_LIMIT: Final = 1024 * 1024
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, repr=False)
class Profile:
    """The settings of a profile; None for what it does not hold.

    Attributes:
        path: The file.
        name: The profile's name; empty if none is used.
        base_url: Where the API is.
        install_sid: The install of calls that name none.
        timezone: The zone of times that name none.
        token: Where the token comes from.
    """

    path: Path
    name: str = ""
    base_url: str | None = None
    install_sid: str | None = None
    timezone: str | None = None
    token: Callable[[], str] | None = field(default=None)

    def __repr__(self) -> str:
        return f"<Profile {self.name!r}>"

    def where(self, key: str) -> str:
        """Return what a key is called in messages: the file, the profile and the key."""
        return f"{self.path}: profile {self.name}: {key}"

    def check_zone(self) -> None:
        """Refuse a time zone that does not exist, by the name of its key.

        Raises:
            ConfigurationError: There is no such zone.
        """
        if self.timezone is None:
            return
        try:
            zone(self.timezone)
        except ZoneError as error:
            reason = str(error)
        else:
            return
        where = f"{self.where('timezone')}:"
        raise wrong_settings([Problem("timezone", "value", reason, where)])


def config_path() -> Path:
    """Return where the file is: SMARTERPROCTORING_CONFIG, else the user's folder for settings."""
    given = variable("CONFIG")
    if given:
        return Path(given).expanduser()
    if sys.platform == "win32":
        roaming = os.environ.get("APPDATA")
        base = Path(roaming) if roaming else Path.home() / "AppData" / "Roaming"
    else:
        config = os.environ.get("XDG_CONFIG_HOME")
        base = Path(config) if config else Path.home() / ".config"
    return base / "smarterproctoring" / "config.toml"


def read_profile(name: str | None) -> Profile:
    """Return a profile: the one that is named, else that of SMARTERPROCTORING_PROFILE, else `default` if it is there.

    Raises:
        ConfigurationError: There is no such profile, or the file cannot be used. The message names the file, the
            profile and the key, and no value.
    """
    path = config_path()
    wanted = name or variable("PROFILE")
    content = _content(path)
    if content is None:
        if wanted is None and variable("CONFIG") is None:
            return Profile(path)
        raise ConfigurationError(
            f"{path}: no such file; write it with a table [profiles.{wanted or DEFAULT}], "
            "or unset --profile and the variables that name it"
        )
    profiles = _profiles(path, content)
    if wanted is None and DEFAULT not in profiles:
        return Profile(path)
    chosen = wanted or DEFAULT
    if chosen not in profiles:
        known = ", ".join(sorted(profiles)) or "none"
        raise ConfigurationError(f"{path}: no profile {chosen!r}; it has: {known}")
    return _profile(path, chosen, profiles[chosen])


def _content(path: Path) -> bytes | None:
    """Return the content of the file, None if there is no file.

    Raises:
        ConfigurationError: It cannot be read, or others may change it.
    """
    try:
        with path.open("rb") as stream:
            _check_owner(path, os.fstat(stream.fileno()))
            content = stream.read(_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"{path}: it cannot be read: {error.strerror}"
        ) from None
    if len(content) > _LIMIT:
        raise ConfigurationError(
            f"{path}: it has more than 1 MiB; it is not a file of profiles"
        )
    return content


def _check_owner(path: Path, facts: os.stat_result) -> None:
    """Refuse a file that others can write: it says which server gets the token, and which program runs.

    Raises:
        ConfigurationError: They can.
    """
    if sys.platform == "win32":
        return
    if facts.st_uid not in (os.geteuid(), 0):
        raise ConfigurationError(
            f"{path}: it belongs to another user, who could send the token elsewhere; make a file of your own"
        )
    if stat.S_ISREG(facts.st_mode) and facts.st_mode & _WRITABLE:
        raise ConfigurationError(
            f"{path}: others can write it, and so could send the token elsewhere; run: chmod go-w {path}"
        )


def _profiles(path: Path, content: bytes) -> dict[str, dict[str, Any]]:
    import tomllib  # noqa: PLC0415 - only for those who have such a file

    try:
        # The error of the parser quotes nothing but a line and a column.
        found = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: it is not UTF-8; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path}: it is not TOML: {_position(error)}"
        ) from None
    unknown = sorted(found.keys() - {"profiles"})
    if unknown:
        raise ConfigurationError(
            f"{path}: unknown key {unknown[0]}; each profile is a table of its own, such as [profiles.{DEFAULT}]"
        )
    profiles = found.get("profiles", {})
    if not isinstance(profiles, dict) or not all(
        isinstance(each, dict) for each in profiles.values()
    ):
        raise ConfigurationError(
            f"{path}: profiles must be tables, such as [profiles.{DEFAULT}]"
        )
    return profiles


def _position(error: ValueError) -> str:
    """Return where an error is, without what is there: it could be a token."""
    _, mark, position = str(error).rpartition("(at ")
    return f"see {position.rstrip(')')}" if mark else "it cannot be read"


def _profile(path: Path, name: str, table: Mapping[str, object]) -> Profile:
    """Check the table of a profile.

    Raises:
        ConfigurationError: The first key that is wrong.
    """
    place = Profile(path, name)
    for key, value in table.items():
        problem = _problem(key, value)
        if problem:
            raise ConfigurationError(f"{place.where(key)} {problem}")
    given = [key for key in _SOURCES if key in table]
    if len(given) > 1:
        raise ConfigurationError(
            f"{place.where(given[1])} contradicts {given[0]}; keep one of them"
        )
    return Profile(
        path=path,
        name=name,
        base_url=_text(table, "base_url"),
        install_sid=_text(table, "install_sid"),
        timezone=_text(table, "timezone"),
        token=_source(place, table),
    )


def _problem(key: str, value: object) -> str:
    """Return what is wrong with a key, empty if nothing is; no value is shown."""
    if key == "token":
        return (
            "holds the token itself, which every backup of the file would hold, too: put it into a file of its own "
            "(token_file), a password manager (token_command) or the keyring (token_keyring)"
        )
    if key not in KEYS:
        close = difflib.get_close_matches(key, KEYS, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(KEYS)}"
        return f"is unknown; {hint}"
    if key == "token_command":
        fits = _are_texts(value)
    elif key == "token_keyring":
        fits = _are_texts(value) and len(value) == 2  # type: ignore[arg-type]
    else:
        fits = isinstance(value, str) and bool(value)
    return "" if fits else f"must be {KEYS[key]}, and not empty"


def _are_texts(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, str) and item for item in value)
    )


def _text(table: Mapping[str, object], key: str) -> str | None:
    value = table.get(key)
    return value if isinstance(value, str) else None


def _texts(table: Mapping[str, object], key: str) -> list[str]:
    value = table.get(key)
    return [str(item) for item in value] if isinstance(value, list) else []


def _source(place: Profile, table: Mapping[str, object]) -> Callable[[], str] | None:
    """Return where the token of a profile comes from."""
    from smarterproctoring.token_file import TokenFile  # noqa: PLC0415 - only for those who have a profile
    from smarterproctoring.token_sources import Keyring, TokenCommand  # noqa: PLC0415

    path = _text(table, "token_file")
    if path is not None:
        # A relative path is one beside the file, wherever the command is run.
        full = place.path.parent / Path(path).expanduser()
        return TokenFile(full, place.where("token_file"))
    command = _texts(table, "token_command")
    if command:
        return TokenCommand(command, place.where("token_command"))
    entry = _texts(table, "token_keyring")
    if entry:
        service, user = entry
        return Keyring(service, user, place.where("token_keyring"))
    return None
