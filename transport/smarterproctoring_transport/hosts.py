"""Which hosts of a URL are this machine, and which can be looked up."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Tell whether a host of a URL is this machine: `localhost`, 127.0.0.0/8 or ::1.

    Who lets plain http go there and who lets no proxy in between have to mean the same.
    """
    try:
        return host == "::1" or ipaddress.IPv4Address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def is_host(host: str) -> bool:
    """Tell whether a host of a URL can be looked up: the encoding of names that the system takes refuses any other."""
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host.strip("[]")))
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= 253 and all(1 <= len(label) <= 63 for label in labels)
