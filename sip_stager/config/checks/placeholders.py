"""Placeholders that are still in the settings: values that the example and the documents show."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

from sip_stager.config.errors import Finding, Location
from sip_stager.config.mentioned_agents import fallback_agents
from sip_stager.config.tables.address_types import Network, parse_ip, split_sip_uri
from sip_stager.config.terms_by_trunk import all_policies, treatment_uris
from sip_stager.model.vocabulary import TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.tables.numbers import Number
    from sip_stager.config.tables.settings import Settings

_DOCUMENTATION: tuple[Network, ...] = tuple(
    map(ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)
"""Networks for documentation, which no host on the Internet is in (RFC 5737, RFC 3849)."""
_EXAMPLE_NAME = re.compile(
    r"(?:.*\.)?(?:[Ee]xample\.(?:com|net|org)|[Ee]xample|[Ii]nvalid)\.?|[A-Z]+(?:-[A-Z]+)+"
)
"""Names that belong to nobody (RFC 2606), and words in capitals like UPSTREAM-HOST."""
_SMALL = 2**32
"""A UUID below this has zeros except in its last eight digits."""

_ASK_PLATFORM = "write the one that your platform gives you"


def find_placeholders(settings: Settings) -> Iterator[Finding]:
    """Yield the values that no call can be served with, because they only show the form."""
    yield from _listeners(settings)
    yield from _hosts(settings)
    yield from _networks(settings)
    yield from _agents(settings)


def _listeners(settings: Settings) -> Iterator[Finding]:
    for index, listener in enumerate(settings.listeners):
        for key in ("address", "advertise"):
            host = getattr(listener, key)
            if host and _is_example(host):
                right = "write the address or name that the trunk sends to"
                yield Finding(("listeners", index, key), _wrong(host), right)


def _hosts(settings: Settings) -> Iterator[Finding]:
    found: list[tuple[Location, str, str]] = [
        (("api", "base_url"), urlsplit(settings.api.base_url).hostname or "", _ASK_PLATFORM),
        (("upstream", "uri"), settings.upstream.host, _ASK_PLATFORM),
    ]
    for index, uri in enumerate(settings.upstream.backups):
        found.append((("upstream", "backups", index), split_sip_uri(uri)[0], _ASK_PLATFORM))
    for kind in (TreatmentKind.REDIRECT, TreatmentKind.MOVED):
        for place, target in treatment_uris(settings, kind):
            found.append((place, target.target, "write the address that such calls are for"))
    for location, host, right in found:
        if _is_example(host):
            yield Finding(location, _wrong(host), right)


def _networks(settings: Settings) -> Iterator[Finding]:
    for index, trunk in enumerate(settings.trunks):
        for position, network in enumerate(trunk.networks):
            if _in_documentation(network):
                yield Finding(
                    ("trunks", index, "networks", position),
                    f"{network} is a placeholder: no carrier sends calls from it",
                    "write the addresses that your carrier sends calls from",
                )


def _agents(settings: Settings) -> Iterator[Finding]:
    right = "write the agent's id, as the platform shows it"
    made_up = {id(table) for table in settings.tables.values() if any(_made_up_shares(table))}
    for index, (_, table) in enumerate(settings.rows):
        for place, agent in _made_up_shares(table) if id(table) in made_up else ():
            yield Finding(("numbers", index, *place), _wrong(agent), right)
    for place, policy in all_policies(settings):
        for key, agent_id in fallback_agents(policy):
            if _is_made_up(UUID(agent_id)):
                yield Finding((*place, key), _wrong(agent_id), right)


def _made_up_shares(table: Number) -> Iterator[tuple[Location, str]]:
    """Yield the made-up agents of a number, each with its place in the table."""
    for position, share in enumerate(table.shares):
        if _is_made_up(share.agent):
            place: Location = ("agents", position, "agent") if table.agents else ("agent",)
            yield place, str(share.agent)


def _wrong(value: str) -> str:
    return f'"{value}" is a placeholder'


def _is_example(host: str) -> bool:
    address = parse_ip(host.strip("[]"))
    if address is None:
        return _EXAMPLE_NAME.fullmatch(host) is not None
    return _in_documentation(ip_network(address))


def _in_documentation(network: Network) -> bool:
    return any(
        network.version == known.version and network.subnet_of(known)  # type: ignore[arg-type]
        for known in _DOCUMENTATION
    )


def _is_made_up(agent: UUID) -> bool:
    """Return True for the nil UUID and its like: almost all zeros, or one digit throughout."""
    return agent.int < _SMALL or len(set(agent.hex)) == 1
