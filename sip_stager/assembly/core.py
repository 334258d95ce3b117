"""Construction of the core from the settings: the proxy, its interfaces and its targets."""

from __future__ import annotations

import os
from ipaddress import ip_address
from time import perf_counter, time
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.assembly.known_peers import KnownPeers
from sip_stager.assembly.trunks import make_admission
from sip_stager.calls.flow_keepalives import FlowKeepalives
from sip_stager.calls.load_shedder import LoadShedder, SheddingRules
from sip_stager.calls.new_calls import NewCalls
from sip_stager.calls.overload import OverloadControl
from sip_stager.calls.shutdown import Shutdown
from sip_stager.calls.strangers import AnswerBudget, StrangerGate, StrangerRules
from sip_stager.config import Listener
from sip_stager.config.tables.address_types import split_sip_uri
from sip_stager.proxy.bounds import Bounds
from sip_stager.proxy.callee_naming import CalleeNaming
from sip_stager.proxy.core import Proxy
from sip_stager.proxy.hosts import canonical_host, ip_version
from sip_stager.proxy.interfaces import Interface, Interfaces
from sip_stager.proxy.local_addresses import LocalAddresses
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
from sip_stager.trunks.admission import TrunkAdmission

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_stager.config import Settings
    from sip_stager.ports import (
        CallLimits,
        Clock,
        MessageObserver,
        Notify,
        Resolver,
        Routes,
        Stager,
        Transport,
    )
    from sip_stager.trunks.mapping import NumberMapping

MAX_SEAL_KEYS = 8
"""Keys that verify seals, those of the settings first: each costs a digest per unknown seal."""


class Core:
    """The transaction layer, which receives messages, and the proxy on top of it.

    In overload ``shedder`` screens the messages before the layer.  The layer, the shedder and their
    state live as long as the program.  All else holds no state but what calls share: it is made
    from the settings, and made anew by ``apply``.  So a call keeps the settings that it began with:
    its owner holds the objects that were made from them.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        transport: Transport,
        resolver: Resolver,
        stager: Stager,
        notify: Notify,
        messages: MessageObserver,
        policies: CorePolicies,
        routes: Routes | None = None,
    ) -> None:
        timers = Timers(settings.sip.t1, settings.sip.t2, settings.sip.t4, settings.sip.timer_c)
        self._lanes = lanes = LaneClock(clock)
        self._clock, self._resolver, self._stager = clock, resolver, stager
        self._context = context = Context(lanes, transport, notify, messages, timers)
        self._identifiers = Identifiers(os.urandom(32))
        self._routes = routes
        self.addresses = LocalAddresses()
        self._locator: Locator | None = None
        self._seal: Seal | None = None
        self._new_calls: NewCalls | None = None
        self.layer = TransactionLayer(context)
        self.keepalives = FlowKeepalives(clock, transport)
        new_calls = self._attach_proxy(settings, policies)
        self.shedder = LoadShedder(
            self.layer,
            self._identifiers,
            lanes,
            transport,
            notify,
            messages,
            policies.admission,
            new_calls,
            OverloadControl(settings.limits.overload_delay),
            _make_shedding_rules(settings),
            self._budget,
        )

    def apply(self, settings: Settings, policies: CorePolicies) -> None:
        """Use other settings for the calls that begin from now on."""
        new_calls = self._attach_proxy(settings, policies)
        threshold, rules = settings.limits.overload_delay, _make_shedding_rules(settings)
        self.shedder.adopt(policies.admission, new_calls, threshold, rules, self._budget)

    def observe_messages(self, messages: MessageObserver) -> None:
        """Report messages to another observer from now on."""
        self._context.messages = messages
        self.shedder.observe_messages(messages)

    def _attach_proxy(self, settings: Settings, policies: CorePolicies) -> NewCalls:
        """Make the proxy and all below it, and let the layer use them."""
        context, identifiers, admission = self._context, self._identifiers, policies.admission
        self.layer.limit_header_lines(settings.limits.header_lines)
        interfaces = make_interfaces(
            policies.listeners or settings.listeners, policies.closed, self._routes, self.addresses
        )
        sender = self._make_sender(settings, interfaces)
        # Dialogs that began under a key that is gone from the settings go on.
        self._seal = seal = make_seal(settings, self._seal.keys if self._seal else ())
        peers = policies.peers or KnownPeers(settings, lambda _: ())
        relay_rules = _make_relay_rules(settings, interfaces, seal, peers)
        naming = CalleeNaming(seal, relay_rules)
        responder = Responder(interfaces, identifiers, context.notify, naming)
        bounds = _make_bounds(settings)
        self._new_calls = new_calls = NewCalls(
            sender,
            responder,
            seal,
            make_upstream(settings),
            admission,
            self._stager,
            bounds,
            self._lanes,
            context.notify,
            # The time of an event loop may move in milliseconds, too coarse to measure with.
            now=perf_counter,
            before=self._new_calls,
        )
        self.proxy = Proxy(sender, responder, seal, admission, bounds, new_calls, context.notify)
        self.shutdown = Shutdown(self.layer, new_calls)
        rules = StrangerRules(settings.strangers.answered, settings.strangers.answers_per_second)
        self._budget = budget = AnswerBudget(self._lanes, rules)
        gate = context, peers, admission, interfaces, seal, relay_rules, budget, rules
        self.layer.answer_to_source(
            peers.is_behind_nat if any(trunk.nat for trunk in settings.trunks) else None
        )
        self.layer.attach_gate(StrangerGate(*gate))
        return new_calls

    def _make_sender(self, settings: Settings, interfaces: Interfaces) -> Sender:
        context = self._context
        self._locator = locator = Locator(
            interfaces,
            self._resolver,
            self._clock,
            loopback=_on_this_machine(settings),
            is_connected=context.transport.is_connected,
            tcp_upstreams=_tcp_upstreams(settings),
            before=self._locator,
        )
        return Sender(
            self.layer,
            interfaces,
            locator,
            self._identifiers,
            self._lanes,
            context.timers.c,
            context.timers.m,
            context.notify,
            settings.upstream.failover_timeout,
        )


class CorePolicies(NamedTuple):
    """What the core decides by, made from the settings ahead of it.

    ``listeners`` have the indexes of the interfaces; without any, those of the settings count.
    Those in ``closed`` were removed while the program ran.  Without ``peers``, those of the
    settings count whose addresses are written there.
    """

    admission: TrunkAdmission
    peers: KnownPeers | None = None
    listeners: tuple[Listener, ...] = ()
    closed: frozenset[int] = frozenset()


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
    routes: Routes | None = None,
) -> Core:
    """Build the core.

    ``outage_of`` and ``call_limits`` are as in ``make_admission``, and ``peers`` are as in
    ``CorePolicies``.
    """
    admission = make_admission(settings, mapping, outage_of, call_limits)
    policies = CorePolicies(admission, peers)
    ports = clock, transport, resolver, stager, notify, messages
    return Core(settings, *ports, policies, routes)


def make_seal(settings: Settings, before: tuple[bytes, ...] = ()) -> Seal:
    """Make the seal of dialogs; its keys outlive a restart.

    The keys ``before`` still verify seals, and make none.
    """
    keys = (key.get_secret_value().encode() for key in settings.seal_keys)
    known = tuple(dict.fromkeys((*keys, *before)))[:MAX_SEAL_KEYS]
    return Seal(*known, lifetime=settings.seal.lifetime, now=time)


def _make_bounds(settings: Settings) -> Bounds:
    """Make the bounds above which new calls are refused."""
    limits = settings.limits
    return Bounds(
        limits.transactions,
        limits.calls_staging,
        limits.message_bytes,
        several_trunks=len(settings.trunks) > 1,
    )


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


def make_interfaces(
    listeners: Iterable[Listener],
    closed: frozenset[int] = frozenset(),
    routes: Routes | None = None,
    addresses: LocalAddresses | None = None,
) -> Interfaces:
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
            for listener in listeners
        ),
        closed,
        routes,
        addresses,
    )


def make_upstream(settings: Settings) -> UpstreamTargets:
    """Build the targets of new calls."""
    upstream = settings.upstream
    return UpstreamTargets(
        tuple(distinct(parse_uri(uri.encode("utf-8")) for uri in upstream.uris)),
        upstream.request_uri,
        Failover(upstream.failover_timeout, upstream.trying_timeout, upstream.one_platform),
        upstream.max_redirects,
        _leaving(settings),
    )


def _leaving(settings: Settings) -> dict[str, int]:
    """Return the index of the listener that sends to the upstreams, for each transport."""
    wanted, found = settings.upstream.listener, dict[str, int]()
    for index, listener in enumerate(settings.listeners):
        if wanted == listener.address:
            found.setdefault(listener.transport.upper(), index)
    return found
