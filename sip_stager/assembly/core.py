"""Construction of the core from the settings: the proxy, its interfaces and its targets."""

from __future__ import annotations

import os
from ipaddress import ip_address
from time import perf_counter, time
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.assembly.known_peers import KnownPeers
from sip_stager.assembly.trunks import make_admission
from sip_stager.calls.load_shedder import LoadShedder, SheddingRules
from sip_stager.calls.new_calls import NewCalls
from sip_stager.calls.overload import OverloadControl
from sip_stager.calls.shutdown import Shutdown
from sip_stager.calls.strangers import AnswerBudget, StrangerGate, StrangerRules
from sip_stager.config.tables.address_types import split_sip_uri
from sip_stager.proxy.bounds import Bounds
from sip_stager.proxy.callee_naming import CalleeNaming
from sip_stager.proxy.core import Proxy
from sip_stager.proxy.interfaces import Interface, Interfaces, canonical_host, ip_version
from sip_stager.proxy.next_hop import Locator
from sip_stager.proxy.relay_rules import RelayRules
from sip_stager.proxy.responder import Responder
from sip_stager.proxy.seal import Seal
from sip_stager.proxy.sender import Sender
from sip_stager.proxy.target_set import Failover, UpstreamTargets, distinct
from sip_stager.sip.identifiers import Identifiers
from sip_stager.sip.uri import parse_uri
from sip_stager.transaction.base import Context
from sip_stager.transaction.layer import TransactionLayer
from sip_stager.transaction.timers import LaneClock, Timers

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Settings
    from sip_stager.ports import (
        CallLimits,
        Clock,
        MessageObserver,
        Notify,
        Resolver,
        Stager,
        Transport,
    )
    from sip_stager.trunks.mapping import NumberMapping


class Core(NamedTuple):
    """The transaction layer, which receives messages, and the proxy on top of it.

    In overload ``shedder`` screens the messages before the layer.
    """

    layer: TransactionLayer
    proxy: Proxy
    shutdown: Shutdown
    shedder: LoadShedder


def make_core(
    settings: Settings,
    clock: Clock,
    transport: Transport,
    resolver: Resolver,
    stager: Stager,
    notify: Notify,
    messages: MessageObserver,
    mapping: NumberMapping,
    outage_of: Callable[[str], str] | None = None,
    peers: KnownPeers | None = None,
    call_limits: CallLimits | None = None,
) -> Core:
    """Build the proxy and its transaction layer.

    ``outage_of`` and ``call_limits`` are as in ``make_admission``.  Without ``peers``, those of
    the settings count whose addresses are written there.
    """
    sip = settings.sip
    timers = Timers(sip.t1, sip.t2, sip.t4, sip.timer_c)
    lanes = LaneClock(clock)
    context = Context(lanes, transport, notify, messages, timers)
    layer = TransactionLayer(context, settings.limits.header_lines)
    interfaces = make_interfaces(settings)
    locator = Locator(
        interfaces,
        resolver,
        clock,
        loopback=_on_this_machine(settings),
        is_connected=transport.is_connected,
        tcp_upstreams=_tcp_upstreams(settings),
    )
    identifiers = Identifiers(os.urandom(32))
    sender = Sender(
        layer,
        interfaces,
        locator,
        identifiers,
        lanes,
        timers.c,
        timers.m,
        notify,
        settings.upstream.failover_timeout,
    )
    seal = make_seal(settings)
    peers = peers or KnownPeers(settings, lambda _: ())
    relay_rules = _make_relay_rules(settings, interfaces, seal, peers)
    naming = CalleeNaming(seal, relay_rules)
    responder = Responder(interfaces, identifiers, notify, naming)
    limits = settings.limits
    bounds = Bounds(
        limits.transactions,
        limits.calls_staging,
        limits.message_bytes,
        several_trunks=len(settings.trunks) > 1,
    )
    admission = make_admission(settings, mapping, outage_of, call_limits)
    new_calls = NewCalls(
        sender,
        responder,
        seal,
        make_upstream(settings),
        admission,
        stager,
        bounds,
        lanes,
        notify,
        # The time of an event loop may move in milliseconds, which is too coarse to measure with.
        now=perf_counter,
    )
    proxy = Proxy(sender, responder, seal, admission, bounds, new_calls, notify)
    rules = StrangerRules(settings.strangers.answered, settings.strangers.answers_per_second)
    budget = AnswerBudget(lanes, rules)
    shedder = LoadShedder(
        layer,
        identifiers,
        lanes,
        transport,
        notify,
        messages,
        admission,
        new_calls,
        OverloadControl(limits.overload_delay),
        _make_shedding_rules(settings),
        budget,
    )
    layer.attach_gate(
        StrangerGate(
            context,
            peers,
            admission,
            interfaces,
            seal,
            relay_rules,
            budget,
            rules,
        )
    )
    return Core(layer, proxy, Shutdown(layer, new_calls), shedder)


def make_seal(settings: Settings) -> Seal:
    """Make the seal of dialogs; its keys outlive a restart."""
    keys = (key.get_secret_value().encode() for key in settings.seal_keys)
    return Seal(*keys, lifetime=settings.seal.lifetime, now=time)


def _make_relay_rules(
    settings: Settings, interfaces: Interfaces, seal: Seal, peers: KnownPeers
) -> RelayRules:
    """Make the rules for the next hops of strangers' requests."""
    upstreams = (parse_uri(uri.encode()) for uri in settings.upstream.uris)
    # The metrics listen on one address; with a wildcard, on each of those that we listen on.
    hosts = {settings.http.address, *(listener.address for listener in settings.listeners)}
    own = {(canonical_host(host), settings.http.port) for host in (*hosts, "127.0.0.1", "::1")}
    networks = settings.strangers.relay_to
    return RelayRules(interfaces, seal, peers, upstreams, networks, own)


def _make_shedding_rules(settings: Settings) -> SheddingRules:
    """Make the rules for refusals in overload."""
    limits, t1 = settings.limits, settings.sip.t1
    retry_after = limits.overload_retry_after_min, limits.overload_retry_after_max
    return SheddingRules(
        *retry_after, max_age=t1, lifetime=64 * t1, max_header_lines=limits.header_lines
    )


def _on_this_machine(settings: Settings) -> bool:
    """Return True if a peer may be on this machine, by the addresses in the settings."""
    upstreams = (split_sip_uri(uri)[0] for uri in settings.upstream.uris)
    hosts = [*upstreams, *(listener.address for listener in settings.listeners)]
    return any(
        host == "localhost" or (ip_version(host) and ip_address(host).is_loopback) for host in hosts
    )


def _tcp_upstreams(settings: Settings) -> frozenset[tuple[str, int]]:
    """Return the addresses and ports of the upstreams whose URI sets TCP."""
    parts = map(split_sip_uri, settings.upstream.uris)
    return frozenset((host, port) for host, port, transport in parts if transport == "tcp")


def make_interfaces(settings: Settings) -> Interfaces:
    """Build the interfaces in the order of the listeners: a flow has the index of one."""
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


def make_upstream(settings: Settings) -> UpstreamTargets:
    """Build the targets of new calls."""
    upstream = settings.upstream
    return UpstreamTargets(
        tuple(distinct(parse_uri(uri.encode("utf-8")) for uri in upstream.uris)),
        upstream.request_uri,
        Failover(upstream.failover_timeout, upstream.trying_timeout, upstream.one_platform),
        upstream.max_redirects,
    )
