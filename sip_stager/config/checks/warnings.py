"""Settings that are allowed, and may not be meant."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sip_stager.config.checks.carrier_next_route import find_stuck_calls
from sip_stager.config.checks.consistency import is_own_address
from sip_stager.config.checks.fallback_agents import find_late_fallbacks, find_partial_fallbacks
from sip_stager.config.errors import Finding, Location
from sip_stager.config.loading.api_key import is_readable_by_others
from sip_stager.config.tables.address_types import Network, parse_ip
from sip_stager.config.terms_by_trunk import treatment_uris, trunk_terms
from sip_stager.model.vocabulary import TreatmentKind
from sip_stager.sip.uri import DEFAULT_PORT
from sip_stager.trunks.mapping import ANY
from sip_stager.trunks.phone_numbers import (
    is_e164,
    to_e164,
    why_impossible,
    without_national_zero,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.config.tables.numbers import MappedNumber
    from sip_stager.config.tables.settings import Settings

_MIN_PREFIX = {4: 8, 6: 16}  # bits; a carrier's networks are much smaller
_MIN_REFRESH_INTERVAL = 10.0  # seconds; people change these records, not programs


def find_warnings(settings: Settings) -> Iterator[Finding]:
    """Yield settings that are allowed, and may not be meant."""
    file = settings.api.key_file
    # Without the key, its file may not exist.
    if file is not None and settings.api.key and is_readable_by_others(file):
        right = "run `chmod 600` on it"
        yield Finding(("api", "key_file"), f"other users can read {file}", right)
    sealing = settings.seal.key_file
    if sealing is not None and settings.has_seal_key and is_readable_by_others(sealing):
        right = "run `chmod 600` on it"
        yield Finding(("seal", "key_file"), f"other users can read {sealing}", right)
    if _is_unencrypted(settings.api.base_url):
        wrong = "the API key and the callers' numbers cross the network unencrypted"
        yield Finding(("api", "base_url"), wrong, "write https://")
    yield from _find_public_metrics(settings)
    yield from _find_short_intervals(settings)
    yield from _find_wide_networks(settings)
    yield from _find_nested_networks(settings)
    yield from _find_impossible_numbers(settings)
    yield from _find_names(settings)
    yield from find_stuck_calls(settings)
    yield from _find_cut_deadlines(settings)
    yield from _find_idle_connections(settings)
    yield from _find_loops(settings)
    yield from find_partial_fallbacks(settings)
    yield from find_late_fallbacks(settings)


def _find_short_intervals(settings: Settings) -> Iterator[Finding]:
    """Yield intervals at which the API would be asked far more often than anything changes."""
    for key in ("agents_refresh_interval", "numbers_refresh_interval"):
        pause = getattr(settings.api, key)
        if 0 < pause < _MIN_REFRESH_INTERVAL:
            wrong = f"is {pause:g}: the API is asked every {pause:g} s, even without calls"
            yield Finding(("api", key), wrong, f"write 0, or at least {_MIN_REFRESH_INTERVAL:g}")


def _find_cut_deadlines(settings: Settings) -> Iterator[Finding]:
    """Yield deadlines that the carrier's ringback timeout cuts, and margins beyond a deadline."""
    found: dict[Location, Finding] = {}
    for entry in trunk_terms(settings):
        place, terms = entry.place("deadline"), entry.terms
        if place and place[0] != "policy" and terms.limit() < terms.deadline:
            wrong = (
                f"is {terms.deadline:g}, but staging ends after {terms.limit():g} s: the trunk "
                f'"{entry.trunk.name}" waits {terms.ringback_timeout:g} s for ringing'
            )
            found[place] = Finding(place, wrong, "write less, or let the caller hear ringing first")
        place = entry.place("margin")
        if place and terms.margin >= terms.deadline:
            wrong = f"is {terms.margin:g}, but staging ends after {terms.deadline:g} s in any case"
            right = "write less: an INVITE with an Expires leaves hardly any time"
            found[place] = Finding(place, wrong, right)
    yield from found.values()


def _find_idle_connections(settings: Settings) -> Iterator[Finding]:
    """Yield a limit of connections to the API that is above the limit of staged calls."""
    connections, calls = settings.api.connections, settings.limits.calls_staging
    if connections > calls:
        wrong = f"is {connections}, but at most calls_staging = {calls} calls are staged at once"
        yield Finding(("api", "connections"), wrong, "write less, or raise calls_staging")


def _find_loops(settings: Settings) -> Iterator[Finding]:
    """Yield 302 targets that send the carrier back to this program."""
    for place, uri in treatment_uris(settings, TreatmentKind.MOVED):
        if is_own_address(settings.listeners, uri.target, uri.port or DEFAULT_PORT):
            right = "nothing to do if that number has another agent or policy"
            yield Finding(place, "sends the carrier back here: the call is staged again", right)


def _find_names(settings: Settings) -> Iterator[Finding]:
    """Yield rows of a name, a short code or a national number that may not be meant so."""
    for index, row in enumerate(settings.rows):
        if is_e164(row.number):
            continue
        if finding := _national_zero(row.number) or _national_number(settings, row.number):
            yield Finding(("numbers", index, "number"), *finding)
        elif lacks_e164(row):
            wrong = f'"{row.number}" is no number in E.164, and the API needs one: it gets the name'
            right = 'add `e164 = "+..."` with the number that the API knows'
            yield Finding(("numbers", index, "number"), wrong, right)


def _national_zero(number: str) -> tuple[str, str] | None:
    """Return what is wrong with a prefix that has a national zero behind the country's code."""
    if not (number.startswith("+") and number.endswith(ANY)):
        return None
    stem = number.removesuffix(ANY)
    shorter = without_national_zero(stem)
    if shorter == stem:
        return None
    wrong = f'"{number}" has the national zero behind the country\'s code, and fits no number'
    return wrong, f'write "{shorter}{ANY}"'


def lacks_e164(row: MappedNumber) -> bool:
    """Return True for a row of a name or a short code without a number for the API."""
    number = row.number
    return number != ANY and not number.startswith("+") and row.table.e164 is None


def _national_number(settings: Settings, number: str) -> tuple[str, str] | None:
    """Return what is wrong with a number that a trunk reads otherwise than it is written."""
    for trunk in settings.trunks:
        if trunk.country and number.endswith(ANY) and number.startswith("0"):
            wrong = (
                f'"{number}" begins a national number, but those of the trunk '
                f'"{trunk.name}" are looked up as +...'
            )
            return wrong, 'write it with the country\'s code, like "+336*"'
        if (meant := to_e164(number, trunk.country)) != number:
            wrong = f'"{number}" is {meant} on the trunk "{trunk.name}": not found there'
            return wrong, f'write "{meant}"'
    return None


def _is_unencrypted(url: str) -> bool:
    parts = urlsplit(url)
    address = parse_ip(parts.hostname or "")
    local = parts.hostname == "localhost" or (address is not None and address.is_loopback)
    return parts.scheme == "http" and not local


def _find_nested_networks(settings: Settings) -> Iterator[Finding]:
    """Yield networks that lie in a network of another trunk; the narrower one wins."""
    owners = {network: trunk.name for trunk in settings.trunks for network in trunk.networks}
    for index, trunk in enumerate(settings.trunks):
        for position, network in enumerate(trunk.networks):
            for around in _supernets(network):
                owner = owners.get(around, trunk.name)
                if owner != trunk.name:
                    yield Finding(
                        ("trunks", index, "networks", position),
                        f'{network} lies in {around} of the trunk "{owner}"',
                        f'nothing to do if its calls are to belong to "{trunk.name}"',
                    )


def _find_wide_networks(settings: Settings) -> Iterator[Finding]:
    """Yield networks so wide that calls can come from anywhere."""
    for index, trunk in enumerate(settings.trunks):
        for position, network in enumerate(trunk.networks):
            if network.prefixlen < _MIN_PREFIX[network.version]:
                part = "a large part of" if network.prefixlen else "all of"
                yield Finding(
                    ("trunks", index, "networks", position),
                    f"{network} is {part} the Internet: anyone there can place calls",
                    "write the addresses that the carrier sends calls from",
                )


def _find_public_metrics(settings: Settings) -> Iterator[Finding]:
    """Yield an address for metrics and health that the Internet may reach."""
    address = ip_address(settings.http.address)
    if address.is_unspecified or address.is_global:
        every = "every address of this machine" if address.is_unspecified else "a public address"
        wrong = (
            f"{address} is {every}: whoever reaches it reads metrics, which show traffic figures"
        )
        right = 'write "127.0.0.1" or a private address, or let a firewall admit Prometheus alone'
        yield Finding(("http", "address"), wrong, right)


def _find_impossible_numbers(settings: Settings) -> Iterator[Finding]:
    """Yield numbers that nobody can dial: too short or too long for their country."""
    whole = "write the whole number, with its country's code"
    for index, row in enumerate(settings.rows):
        if is_e164(row.number) and (why := why_impossible(row.number)):
            wrong = f'"{row.number}" is an impossible number: {why}'
            right = f'{whole}; "{row.number}{ANY}" matches all numbers that begin so'
            yield Finding(("numbers", index, "number"), wrong, right)
    for index, table in settings.tables.items():
        if table.e164 and (why := why_impossible(table.e164)):
            wrong = f'"{table.e164}" is an impossible number: {why}'
            yield Finding(("numbers", index, "e164"), wrong, whole)


def _supernets(network: Network) -> Iterator[Network]:
    while network.prefixlen:
        network = network.supernet()
        yield network
