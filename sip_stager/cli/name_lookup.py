"""The look-up of host names for ``check --online``."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sip_stager.config.errors import format_location
from sip_stager.config.tables.address_types import parse_ip, split_sip_uri
from sip_stager.config.terms_by_trunk import treatment_uris
from sip_stager.model.vocabulary import TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config import Settings
    from sip_stager.config.errors import Location

_Asked = tuple[str, frozenset[int]]  # a host, and the IP versions of which it needs an address
_ANY = frozenset({int(socket.AF_INET), int(socket.AF_INET6)})
_TIMEOUT = 5.0  # seconds for all look-ups together; the program itself waits 2 for one


def find_unresolved_names(settings: Settings, *, with_api: bool = False) -> list[str]:
    """Return a line for each host name without a usable address.

    The names are those that calls are sent to, those that peers are given, and ``with_api`` that of
    the API, whose client reports it otherwise.
    """
    ours = frozenset(int(listener.family) for listener in settings.listeners)
    places = {place: (host, ours) for place, host in _next_hops(settings)}
    places |= {place: (host, _ANY) for place, host in _others(settings, with_api=with_api)}
    names = {place: asked for place, asked in places.items() if parse_ip(asked[0]) is None}
    reasons = asyncio.run(_look_up(set(names.values())))
    return [
        f"{settings.place(place)}: {format_location(place)}: {reasons[asked]}"
        for place, asked in names.items()
        if reasons[asked]
    ]


def _others(settings: Settings, *, with_api: bool) -> Iterator[tuple[Location, str]]:
    """Yield the hosts that this program sends nothing to over SIP."""
    for index, listener in enumerate(settings.listeners):
        if listener.advertise:
            key = "advertise_env" if listener.advertise_env else "advertise"
            yield ("listeners", index, key), listener.advertise
    for location, target in treatment_uris(settings, TreatmentKind.MOVED):
        yield location, target.target
    if with_api:
        yield ("api", "base_url"), urlsplit(settings.api.base_url).hostname or ""


def _next_hops(settings: Settings) -> Iterator[tuple[Location, str]]:
    yield ("upstream", "uri"), settings.upstream.host
    for index, uri in enumerate(settings.upstream.backups):
        yield ("upstream", "backups", index), split_sip_uri(uri)[0]
    for location, target in treatment_uris(settings, TreatmentKind.REDIRECT):
        yield location, target.target


async def _look_up(asked: set[_Asked]) -> dict[_Asked, str]:
    """Return for each host what is wrong with it; empty where it has a usable address."""
    wrong = await asyncio.gather(*(_explain(*each) for each in asked))
    return dict(zip(asked, wrong, strict=True))


async def _explain(host: str, families: frozenset[int]) -> str:
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
