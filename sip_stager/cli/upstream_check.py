"""The question of ``check --online`` to the upstreams: do they answer OPTIONS."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from sip_stager.assembly.outage import upstreams
from sip_stager.config.errors import format_location
from sip_stager.config.tables.address_types import parse_ip
from sip_stager.transport.options_ping import Peer, ping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sip_stager.config import Settings
    from sip_stager.config.errors import Location
    from sip_stager.transport.upstream_watch import Upstream

TIMEOUT = 4.0
"""Seconds for the answer of an upstream; all are asked at the same time."""


def ask_upstreams(settings: Settings) -> tuple[list[str], list[str]]:
    """Return a line for each upstream that does not answer OPTIONS, and one for each that does.

    Names without an address are left out: the look-up of names reports them.
    """
    families = {int(listener.family) for listener in settings.listeners}
    wrong = asyncio.run(_ask_all(upstreams(settings), families))
    problems, answering = [], []
    for location, uri, why in zip(_locations(settings), settings.upstream.uris, wrong, strict=True):
        if why == "":
            answering.append(f"{uri} answers OPTIONS")
        elif why is not None:
            place = f"{settings.place(location)}: {format_location(location)}"
            problems.append(f"{place}: {uri} cannot be reached: {why}")
    return problems, answering


def _locations(settings: Settings) -> Iterator[Location]:
    yield "upstream", "uri"
    for index in range(len(settings.upstream.backups)):
        yield "upstream", "backups", index


async def _ask_all(asked: Sequence[Upstream], families: set[int]) -> list[str | None]:
    return await asyncio.gather(*(_ask(upstream, families) for upstream in asked))


async def _ask(upstream: Upstream, families: set[int]) -> str | None:
    """Return why an upstream does not answer, empty if it does; None without an address."""
    address = await _address(upstream.host, families)
    if address is None:
        return None
    return await ping(Peer(address, *upstream[1:]), TIMEOUT)


async def _address(host: str, families: set[int]) -> str | None:
    """Return the address that calls are sent to."""
    if parse_ip(host) is not None:
        return host
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    return next((str(each[4][0]) for each in found if each[0] in families), None)
