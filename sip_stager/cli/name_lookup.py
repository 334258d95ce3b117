"""The look-up of host names for ``check --online``."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from sip_stager.config.errors import format_location
from sip_stager.config.tables.address_types import parse_ip, split_sip_uri
from sip_stager.config.terms_by_trunk import treatment_uris
from sip_stager.model.vocabulary import TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings
    from sip_stager.config.errors import Location

_TIMEOUT = 5.0  # seconds for all look-ups together; the program itself waits 2 for one


def find_unresolved_names(settings: Settings) -> list[str]:
    """Return a line for each host name that calls are sent to and that has no usable address."""
    places = {location: host for location, host in _hosts(settings) if parse_ip(host) is None}
    families = {int(listener.family) for listener in settings.listeners}
    reasons = asyncio.run(_look_up(set(places.values()), families))
    return [
        f"{settings.place(location)}: {format_location(location)}: {reasons[host]}"
        for location, host in places.items()
        if reasons[host]
    ]


def _hosts(settings: Settings) -> Iterator[tuple[Location, str]]:
    yield ("upstream", "uri"), settings.upstream.host
    for index, uri in enumerate(settings.upstream.backups):
        yield ("upstream", "backups", index), split_sip_uri(uri)[0]
    for location, target in treatment_uris(settings, TreatmentKind.REDIRECT):
        yield location, target.target


async def _look_up(hosts: set[str], families: set[int]) -> dict[str, str]:
    """Return for each host what is wrong with it; empty where it has a usable address."""
    wrong = await asyncio.gather(*(_explain(host, families) for host in hosts))
    return dict(zip(hosts, wrong, strict=True))


async def _explain(host: str, families: set[int]) -> str:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_TIMEOUT):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except TimeoutError:
        return f'the name "{host}" was not resolved within {_TIMEOUT:g} s'
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return f'the name "{host}" does not resolve: {why}'
    if any(family in families for family, *_ in found):
        return ""
    addresses = ", ".join(sorted({str(address[0]) for *_, address in found}))
    return f'the name "{host}" has only {addresses}, of another IP version than the listeners'
