"""Tells which hosts are this machine, and which can be looked up."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Tell whether a host of a URL is this machine: `localhost`, 127.0.0.0/8 or ::1.

    The check for plain http and the choice of a proxy have to agree on this.
    """
    try:
        return host == "::1" or ipaddress.IPv4Address(host or "").is_loopback
    except ValueError:
        return host == "localhost"


def is_host(host: str) -> bool:
    """Tell whether a host of a URL can be looked up, that is, can be encoded as a host name."""
    if ":" in host:
        try:
            return bool(ipaddress.IPv6Address(host.strip("[]")))
        except ValueError:
            return False
    labels = host.removesuffix(".").split(".")
    return len(host) <= 253 and all(1 <= len(label) <= 63 for label in labels)
