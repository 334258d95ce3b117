"""Proxies of the environment, which the program does not use."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sip_stager.config.errors import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sip_stager.config.tables.settings import Settings


def find_unused_proxy(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the variable that names a proxy for the API, unless NO_PROXY excepts the API."""
    url = urlsplit(settings.api.base_url)
    names = [
        name for kind in (url.scheme, "all") for name in (f"{kind}_proxy".upper(), f"{kind}_proxy")
    ]
    found = next((name for name in names if environ.get(name)), None)
    excepted = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if found and not _is_excepted(url.hostname or "", excepted):
        # Its value is not shown: it may hold a password.
        wrong = f"{found} is set and not used: the API is connected to directly"
        right = f"let {url.hostname} be reached without a proxy, and add it to NO_PROXY"
        yield Finding(("api", "base_url"), wrong, right)


def _is_excepted(host: str, excepted: str) -> bool:
    """Return True if NO_PROXY names a host, a domain that it belongs to, or all."""
    domains = [one.strip().lstrip(".").lower() for one in excepted.split(",")]
    return any(one and (one in {"*", host} or host.endswith(f".{one}")) for one in domains)
