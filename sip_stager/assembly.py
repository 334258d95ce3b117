"""What the settings make of each room: the one place where the core meets their values."""

from __future__ import annotations

import os
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address
from time import perf_counter
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sip_stager.config.addresses import sip_uri
from sip_stager.config.agents import places_of
from sip_stager.config.policy import granted
from sip_stager.proxy.bounds import Bounds
from sip_stager.proxy.core import Proxy
from sip_stager.proxy.facilities import Facilities
from sip_stager.proxy.interfaces import Interface, Interfaces, ip_version
from sip_stager.proxy.location import Locator
from sip_stager.proxy.seal import Seal
from sip_stager.proxy.targets import Upstream, distinct
from sip_stager.sip.identifiers import Identifiers
from sip_stager.sip.uri import parse_uri
from sip_stager.staging.aftercare import CONNECTIONS as AFTERCARE_CONNECTIONS
from sip_stager.staging.aftercare import Aftercare
from sip_stager.staging.agents import AT_ONCE, BODY_MOST, Agents
from sip_stager.staging.breaker import BreakerRules
from sip_stager.staging.claims import Claims
from sip_stager.staging.phone_numbers import BODY_MOST as PAGE_MOST
from sip_stager.staging.phone_numbers import PhoneNumbers
from sip_stager.staging.retry import Retries
from sip_stager.staging.rounded import RoundedApi
from sip_stager.staging.stager import Staging
from sip_stager.transaction.base import Surroundings
from sip_stager.transaction.layer import TransactionLayer
from sip_stager.transaction.timers import LaneClock, Timers
from sip_stager.trunks.admission import TrunkAdmission
from sip_stager.trunks.mapping import Moment, NumberMapping
from sip_stager.trunks.variables import CallVariables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sip_stager.config import Settings
    from sip_stager.ports import Clock, Notify, Resolver, Stager, Transport
    from sip_stager.staging.agent import Declared
    from sip_stager.staging.rate_limit import RateLimit
    from sip_stager.trunks.budget import Terms
    from sip_stager.trunks.platform import PlatformTable


def make_core(
    settings: Settings,
    clock: Clock,
    transport: Transport,
    resolver: Resolver,
    stager: Stager,
    notify: Notify,
    mapping: NumberMapping,
) -> TransactionLayer:
    """Make the proxy and the layer that it stands on; what arrives goes to the layer."""
    sip = settings.sip
    timers = Timers(sip.t1, sip.t2, sip.t4, sip.timer_c)
    lanes = LaneClock(clock)
    layer = TransactionLayer(Surroundings(lanes, transport, notify, timers))
    interfaces = make_interfaces(settings)
    facilities = Facilities(
        clock=lanes,
        layer=layer,
        interfaces=interfaces,
        locator=Locator(interfaces, resolver, clock, loopback=_on_this_machine(settings)),
        identifiers=Identifiers(os.urandom(32)),
        seal=Seal(settings.api.key.get_secret_value().encode()),
        upstream=make_upstream(settings),
        timers=timers,
        notify=notify,
        now=perf_counter,
    )
    limits = settings.limits
    bounds = Bounds(limits.transactions, limits.calls_staging)
    Proxy(facilities, make_admission(settings, mapping), stager, bounds)
    return layer


def _on_this_machine(settings: Settings) -> bool:
    """Whether any peer is on this machine, by the addresses that the operator set."""
    upstreams = (sip_uri(uri)[0] for uri in settings.upstream.uris)
    hosts = [*upstreams, *(listener.address for listener in settings.listeners)]
    return any(
        host == "localhost" or (ip_version(host) and ip_address(host).is_loopback) for host in hosts
    )


def make_api(settings: Settings, declared: Mapping[str, Declared]) -> RoundedApi:
    """Make the client of the API for calls; ``declared`` are the variables of the agents."""
    return _client(settings, settings.api.connections, settings.api.body_most, declared)


def _client(
    settings: Settings,
    connections: int,
    body_most: int,
    declared: Mapping[str, Declared] | None = None,
) -> RoundedApi:
    """Make a client with connections of its own: what is no call's takes none from calls."""
    api = settings.api
    return RoundedApi(
        api.base_url, api.key, connections=connections, body_most=body_most, declared=declared
    )


def make_agents(settings: Settings, notify: Notify) -> Agents:
    """Make the watch over the agents."""
    client = _client(settings, AT_ONCE, BODY_MOST)
    return Agents(client, places_of(settings), notify, settings.api.agents_refresh)


def make_phone_numbers(
    settings: Settings, notify: Notify, take: Callable[[PlatformTable], None]
) -> PhoneNumbers:
    """Make what keeps the list of the platform's numbers, off every call's path."""
    return PhoneNumbers(make_list_api(settings), notify, take, settings.api.numbers_refresh)


def make_list_api(settings: Settings) -> RoundedApi:
    """Make a client for the list of the platform's numbers."""
    return _client(settings, 1, PAGE_MOST)


def make_staging(settings: Settings, api: RoundedApi, notify: Notify) -> Staging:
    """Make the stager."""
    wanted = settings.api
    return Staging(
        api,
        notify,
        mode=wanted.mode,
        poll_first=wanted.poll_first,
        poll_most=wanted.poll_most,
        retries=Retries(wanted.retries, wanted.retry_pause, wanted.retry_ambiguous),
        breaker=BreakerRules(
            wanted.breaker_share,
            wanted.breaker_window,
            wanted.breaker_least,
            wanted.breaker_pause,
            wanted.breaker_pause_most,
        ),
    )


def make_aftercare(settings: Settings, calls_limit: RateLimit, notify: Notify) -> Aftercare:
    """Make what is done about calls off their path."""
    wanted = settings.api
    return Aftercare(
        _client(settings, AFTERCARE_CONNECTIONS, wanted.body_most),
        calls_limit,
        notify,
        label=wanted.label,
        reconcile=wanted.reconcile,
        terminate=wanted.terminate_wasted,
    )


def make_claims(settings: Settings, staging: Staging, clock: Clock, notify: Notify) -> Claims:
    """Make what keeps staged calls that were not used."""
    api = settings.api
    return Claims(staging, clock, notify, api.claim_life, finish=api.after_hangup == "keep")


def local_time(zone: str) -> Moment:
    """Read the clock of a time zone."""
    now = datetime.now(ZoneInfo(zone))
    return Moment(now.weekday(), now.hour * 60 + now.minute)


def make_admission(settings: Settings, mapping: NumberMapping | None = None) -> TrunkAdmission:
    """Make the admission of the trunks and numbers, of the settings alone where none are given."""
    mapping = mapping or make_mapping(settings)
    api = settings.api
    variables = CallVariables(
        settings.variables,
        {trunk.name: trunk.variables for trunk in settings.trunks},
        {row.number: row.variables for row in settings.numbers},
    )
    return TrunkAdmission(
        settings.trunks, mapping, make_terms(settings), api.anonymous_number, variables
    )


def make_mapping(settings: Settings, moment: Callable[[str], Moment] = local_time) -> NumberMapping:
    """Make the mapping of the numbers; ``moment`` gives the time in a zone."""
    return NumberMapping((number.row() for number in settings.numbers), moment)


def make_terms(settings: Settings) -> Callable[[str, str], Terms]:
    """Say what a call from a trunk to a mapped number is granted; both are given by name."""
    trunks = {trunk.name: trunk for trunk in settings.trunks}
    numbers = {row.number: row.policy for row in settings.numbers if row.policy.model_fields_set}

    @lru_cache(maxsize=4096)
    def terms(name: str, number: str | None) -> Terms:
        trunk = trunks[name]
        own = (numbers[number],) if number else ()
        policies = (*own, *trunk.policies, settings.policy)
        return granted(policies, settings.api.deadline, trunk.no_ringback_timeout)

    return lambda trunk, number: terms(trunk, number if number in numbers else None)


def make_interfaces(settings: Settings) -> Interfaces:
    """Make the interfaces, in the listeners' order, whose indexes flows hold."""
    return Interfaces(
        tuple(
            Interface(
                listener.transport.upper(),
                listener.address,
                listener.advertise or listener.address,
                listener.advertised_port,
                listener.port,
            )
            for listener in settings.listeners
        )
    )


def make_upstream(settings: Settings) -> Upstream:
    """Make the targets of new calls."""
    upstream = settings.upstream
    return Upstream(
        tuple(distinct(parse_uri(uri.encode("utf-8")) for uri in upstream.uris)),
        upstream.request_uri,
        upstream.next_after,
        upstream.redirects,
    )
