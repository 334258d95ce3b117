"""Mistakes that show only when several tables are read together."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from sip_stager.config.errors import Finding, Location
from sip_stager.config.suggestions import one_of
from sip_stager.config.tables.address_types import NOT_SUPPORTED, Network, parse_ip, split_sip_uri
from sip_stager.trunks.phone_numbers import is_e164, to_e164

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sip_stager.config.loading.valid_parts import ValidParts
    from sip_stager.config.tables.peers import Listener
    from sip_stager.config.tables.settings import Http


def find_inconsistencies(parts: ValidParts) -> Iterator[Finding]:
    """Yield all mistakes between the tables."""
    yield from _check_listeners(parts)
    yield from _check_http_port(parts)
    yield from _check_upstreams(parts)
    yield from _check_trunks(parts)
    yield from _check_numbers(parts)
    yield from _check_reserved_numbers(parts)


def _check_listeners(parts: ValidParts) -> Iterator[Finding]:
    """Yield listeners that bind a port which another listener binds."""
    seen: list[tuple[int, Listener]] = []
    for index, listener in parts.listeners.items():
        for first, other in seen:
            if _same_socket(listener, other):
                wrong = f"takes the same {listener.transport} port {listener.port}"
                right = "change the address or port, or remove one of the two"
                yield Finding(("listeners", index), wrong, right, ("listeners", first))
        seen.append((index, listener))


def _check_http_port(parts: ValidParts) -> Iterator[Finding]:
    """Yield a port for metrics and health that a TCP listener binds."""
    http = parts.http
    if http is None:
        return
    for index, listener in parts.listeners.items():
        if listener.transport == "tcp" and listener.port == http.port and _overlap(listener, http):
            wrong = f"takes the same TCP port {http.port} as a listener"
            yield Finding(
                ("http", "port"), wrong, "change the port of one of the two", ("listeners", index)
            )


def _same_socket(one: Listener, other: Listener) -> bool:
    return (one.transport, one.port) == (other.transport, other.port) and _overlap(one, other)


def _overlap(one: Listener | Http, other: Listener | Http) -> bool:
    """Return True if two addresses overlap: they are the same, or one is the wildcard."""
    addresses = {ip_address(one.address), ip_address(other.address)}
    if len({address.version for address in addresses}) > 1:
        return False
    return len(addresses) == 1 or any(address.is_unspecified for address in addresses)


def _check_upstreams(parts: ValidParts) -> Iterator[Finding]:
    """Yield upstreams that no listener can send to, and those that are this program."""
    if parts.upstream is None or not parts.listeners:
        return
    wanted: list[tuple[Location, str]] = [(("upstream", "uri"), parts.upstream.uri)]
    for index, uri in enumerate(parts.upstream.backups):
        wanted.append((("upstream", "backups", index), uri))
    for key, uri in wanted:
        yield from check_next_hop(parts, key, *split_sip_uri(uri))
    address = parts.upstream.listener
    transports = {split_sip_uri(uri)[2] for _, uri in wanted}
    able = {each.transport for each in parts.listeners.values() if each.address == address}
    if address is not None and not transports <= able and parts.all_listeners:
        missing = " and ".join(sorted(transports - able))
        wrong = f"is {address}, but no listener of {missing} has that address"
        yield Finding(("upstream", "listener"), wrong, "write the address of one of [[listeners]]")


def check_next_hop(
    parts: ValidParts, key: Location, host: str, port: int, transport: str
) -> Iterator[Finding]:
    """Yield what is wrong with a next hop: no listener of its transport, or it is this program."""
    address = parse_ip(host)
    same = [each for each in parts.listeners.values() if each.transport == transport]
    fit = [
        each
        for each in same
        if address is None or ip_address(each.address).version == address.version
    ]
    if transport in NOT_SUPPORTED:
        right = "write ;transport=udp or ;transport=tcp"
        yield Finding(key, f"goes over {transport}, which is not supported yet", right)
    elif not fit and parts.all_listeners:
        family = f" and IPv{address.version}" if address and same else ""
        wrong = f"goes over {transport}{family}, but no listener does"
        right = "add [[listeners]] with that transport and IP version, or change this one"
        yield Finding(key, wrong, right)
    if is_own_address(same, host, port):
        wrong = "is this program itself: calls would loop"
        yield Finding(key, wrong, "write the address of the next hop")


def is_own_address(listeners: Iterable[Listener], host: str, port: int) -> bool:
    """Return True if an address is that of a listener, or one that a listener advertises."""
    return any(
        (host, port) in {(each.address, each.port), (each.advertise, each.advertised_port)}
        for each in listeners
    )


def _check_trunks(parts: ValidParts) -> Iterator[Finding]:
    """Yield names and networks that belong to two trunks."""
    names: dict[str, int] = {}
    owners: dict[Network, tuple[int, int]] = {}
    for index, trunk in parts.trunks.items():
        first = names.setdefault(trunk.name, index)
        if first != index:
            wrong, right = f'"{trunk.name}" is the name of two trunks', "rename one of them"
            yield Finding(("trunks", index, "name"), wrong, right, ("trunks", first, "name"))
        for position, network in enumerate(trunk.networks):
            owner, place = owners.setdefault(network, (index, position))
            if owner != index:
                yield Finding(
                    ("trunks", index, "networks", position),
                    f'{network} belongs to the trunk "{parts.trunks[owner].name}" as well',
                    "remove it from one of the two",
                    ("trunks", owner, "networks", place),
                )


def _check_reserved_numbers(parts: ValidParts) -> Iterator[Finding]:
    """Yield numbers that are reserved for a trunk that does not exist."""
    names = {trunk.name for trunk in parts.trunks.values()}
    if not parts.all_trunks:
        return
    for index, row in parts.numbered_rows():
        for position, name in enumerate(row.table.trunks):
            if name not in names:
                wrong = f'"{name}" is not the name of a trunk'
                place = ("numbers", index, "trunks", position)
                yield Finding(place, wrong, one_of(name, sorted(names)))


def _check_numbers(parts: ValidParts) -> Iterator[Finding]:
    """Yield numbers that are mapped twice, and national numbers that no trunk's calls can match."""
    # Of a hundred thousand numbers hardly any deserves a closer look.
    if len({number for number, _ in parts.rows}) < len(parts.rows):
        yield from _find_duplicates(parts)
    countries = {trunk.country for trunk in parts.trunks.values()}
    for index, (number, _) in parts.numbered_rows() if countries else ():
        if is_e164(number):
            continue
        meant = {to_e164(number, country) for country in countries}
        if number not in meant:
            wrong = f'"{number}" is a national number'
            right = "write " + " or ".join(f'"{each}"' for each in sorted(meant))
            yield Finding(("numbers", index, "number"), wrong, right)


def _find_duplicates(parts: ValidParts) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for index, (number, _) in parts.numbered_rows():
        first = seen.setdefault(number, index)
        if first != index:
            wrong, right = f"{number} is mapped twice", "remove one of the two"
            yield Finding(("numbers", index, "number"), wrong, right, ("numbers", first, "number"))
