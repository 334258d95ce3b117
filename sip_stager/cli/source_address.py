"""The source of a call that is asked about: an address, and the trunk that it belongs to."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config import Trunk
from sip_stager.config.suggestions import one_of
from sip_stager.trunks.admission import TrunkNetworks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from ipaddress import IPv4Address, IPv6Address

    from sip_stager.config import Settings


class CallSource(NamedTuple):
    """A source address and its trunk; None if it belongs to no trunk."""

    address: str
    trunk: Trunk | None


def find_source(settings: Settings, name: str, address: str) -> CallSource:
    """Return the source for an address, or for the name of a trunk; one of the two may be empty.

    Raises ``ValueError`` with a text for the user.
    """
    trunks = {trunk.name: trunk for trunk in settings.trunks}
    if name and name not in trunks:
        raise ValueError(f'--trunk: there is no trunk "{name}": {one_of(name, trunks)}')
    if address:
        return _at(settings, _read(address), trunks, name)
    if not name and len(trunks) > 1:
        raise ValueError(
            f"there are several trunks: write --trunk and one of {', '.join(trunks)}, "
            "or --source and the address that the call comes from"
        )
    trunk = trunks[name] if name else settings.trunks[0]
    return CallSource(_address_of(settings, trunk), trunk)


def _read(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address: write --source 192.0.2.17") from None


def _at(settings: Settings, address: str, trunks: dict[str, Trunk], name: str) -> CallSource:
    found = TrunkNetworks(settings.trunks).trunk_of(address)
    if name and (found is None or found.name != name):
        whose = f'to the trunk "{found.name}"' if found else "to no trunk"
        raise ValueError(f'{address} belongs {whose}, not to "{name}": use one of the two options')
    return CallSource(address, trunks[found.name] if found else None)


def _address_of(settings: Settings, trunk: Trunk) -> str:
    """Return the first address from which calls of a trunk can come."""
    trunk_of = TrunkNetworks(settings.trunks).trunk_of
    for candidate in map(str, _candidates(settings, trunk)):
        if trunk_of(candidate) is trunk:
            return candidate
    raise ValueError(
        f'no call can come from the trunk "{trunk.name}": '
        "narrower networks of other trunks cover all of its addresses"
    )


def _candidates(settings: Settings, trunk: Trunk) -> Iterator[IPv4Address | IPv6Address]:
    """Yield the first host of each network, and the address after each narrower network in it."""
    # The address after the end of a narrower network is the first that may be the trunk's again.
    others = [network for each in settings.trunks for network in each.networks]
    for network in trunk.networks:
        yield network.network_address + (1 if network.num_addresses > 2 else 0)
        for other in others:
            last = other.broadcast_address
            if last in network and last != network.broadcast_address:
                yield last + 1
