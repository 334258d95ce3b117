"""The hosts of URIs and flows: IP addresses and names."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(maxsize=4096)
def canonical_host(host: str) -> str:
    """Return the canonical form of an IP address, or a host name in lower case."""
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()


@lru_cache(maxsize=4096)
def ip_version(host: str) -> int:
    """Return 4 or 6 for an IP address in text, and 0 for anything else, like a host name.

    An address with a scope (``fe80::1%eth0``) counts as none: a flow could not hold it.
    """
    try:
        return 0 if "%" in host else ip_address(host).version
    except ValueError:
        return 0
