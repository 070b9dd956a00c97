"""The addresses of a host: looked up within a time limit, in the order in which they are tried."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial
from itertools import chain, zip_longest
from typing import NamedTuple

import httpcore

from smarterproctoring_transport.background import call_aside, call_within
from smarterproctoring_transport.failures import StillRunning

STAGGER = 0.25
"""Seconds after which the next address is tried beside those that have not answered (RFC 8305 5)."""


class Address(NamedTuple):
    """Where a socket connects to.

    Attributes:
        family: The address family, for `socket.socket`.
        target: What `socket.connect` takes.
    """

    family: int
    target: tuple[str | int | bytes, ...]


def find(host: str, port: int, seconds: float | None) -> list[Address]:
    """Look up a host.

    Args:
        host: A name, or an address as text.
        port: The port.
        seconds: How long the look-up may take; None for no limit.

    Raises:
        httpcore.ConnectTimeout: It took longer.
        httpcore.ConnectError: The host has no address.
    """
    if numeric := _numeric(host, port):
        return numeric
    try:
        return _sorted(call_within(partial(_look_up, host, port), seconds))
    except StillRunning:
        raise httpcore.ConnectTimeout("the name look-up took too long") from None
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name look-up failed: {error}") from error


async def find_async(host: str, port: int) -> list[Address]:
    """Look up a host without holding up the event loop; the caller limits the wait.

    Raises:
        httpcore.ConnectError: The host has no address.
    """
    if numeric := _numeric(host, port):
        return numeric
    try:
        return _sorted(await call_aside(partial(_look_up, host, port)))
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(f"the name look-up failed: {error}") from error


def _numeric(host: str, port: int) -> list[Address]:
    """Return the address if the host is one, without a look-up; an empty list for a name."""
    try:
        return _sorted(_look_up(host, port, socket.AI_NUMERICHOST))
    except (OSError, UnicodeError):
        return []


def _look_up(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [Address(family, target) for family, _, _, _, target in found]


def _sorted(addresses: Sequence[Address]) -> list[Address]:
    """Alternate between the address families, the system's preference first (RFC 8305 4)."""
    if not addresses:
        return []
    favourite = addresses[0].family
    first = [address for address in addresses if address.family == favourite]
    second = [address for address in addresses if address.family != favourite]
    turns = chain.from_iterable(zip_longest(first, second))
    return [address for address in turns if address is not None]
