"""The decision on a new call, from memory alone: its trunk, its numbers and its agent."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sip_stager.model.call import Call, Refusal
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.responses import REASONS
from sip_stager.trunks.called_number import CalledNumber, CalledNumberConfig, read_called_number
from sip_stager.trunks.caller_number import (
    FROM,
    CallerNumber,
    CallerNumberConfig,
    read_caller_number,
    strip_private_identity,
)
from sip_stager.trunks.mapping import Match
from sip_stager.trunks.number_fields import REQUEST_URI
from sip_stager.trunks.phone_numbers import mask_untrusted
from sip_stager.trunks.placeholders import Facts
from sip_stager.trunks.variables import CallVariables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sip_stager.model.flow import Flow
    from sip_stager.ports import CallLimits
    from sip_stager.sip.message import Request
    from sip_stager.trunks.budget import Terms
    from sip_stager.trunks.mapping import NumberMapping


_NEIGHBOURHOOD = {
    4: 24,
    6: 48,
}  # bits of a prefix: a carrier's new address is often near its others


class TrunkConfig(CalledNumberConfig, CallerNumberConfig, Protocol):
    """A carrier in the settings: its name, its addresses, and how it writes numbers."""

    @property
    def name(self) -> str:
        """The name in logs and metrics."""
        ...

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The addresses that its calls come from."""
        ...

    @property
    def pass_503(self) -> bool:
        """True if a 503 of the upstream is passed to the trunk unchanged."""
        ...

    @property
    def options_503(self) -> bool:
        """True if OPTIONS of the trunk get 503 while its calls would be refused."""
        ...

    @property
    def nat(self) -> bool | None:
        """True if the trunk is behind a NAT; None if that is found out for each call."""
        ...


class Route(NamedTuple):
    """The numbers and the agent of an INVITE, with the reasons; without a match, no agent.

    ``reserved``: the row of the number answers other trunks alone, so it is no match.
    """

    called: CalledNumber
    match: Match | None = None
    caller: CallerNumber = CallerNumber()
    agent: str = ""
    reserved: bool = False


class TrunkAdmission:
    """Admits calls from known networks to mapped numbers (``ports.Admission``).

    ``mapping`` has the agents of the called numbers.  ``terms_of`` returns the terms of a call by
    the name of its trunk and the key of its row.  ``anonymous_number`` stands for a caller who
    is anonymous or has no number.  ``variables`` are those of all trunks and numbers.
    ``outage_of`` returns why the calls of a trunk would be refused now, empty if they would not be.
    ``limits`` are those of trunks and numbers, None if there are none.
    """

    def __init__(
        self,
        trunks: Iterable[TrunkConfig],
        mapping: NumberMapping,
        terms_of: Callable[[str, str], Terms],
        anonymous_number: str,
        variables: CallVariables | None = None,
        outage_of: Callable[[str], str] | None = None,
        limits: CallLimits | None = None,
    ) -> None:
        self._networks = TrunkNetworks(trunks)
        self._mapping = mapping
        self._terms_of = terms_of
        self._anonymous_number = anonymous_number
        self._variables = variables or CallVariables()
        self._outage_of = outage_of
        self._limits = limits

    def admit(self, invite: Request, source: Flow) -> Call | Refusal:
        """Decide on a new call; raises ``Malformed`` for an invalid Request-URI."""
        trunk = self._networks.trunk_of(source.host)
        if trunk is None:
            return _refuse_stranger(source, invite)
        return self.decide(invite, source, trunk, self.route(invite, trunk))

    def refuse_unread(self, source: Flow) -> Refusal:
        """Return the refusal of a new INVITE in overload (``ports.Admission``).

        The status is that of the trunk's policy: to find the number's, the INVITE would be read.
        """
        trunk = self._networks.trunk_of(source.host)
        if trunk is None:
            return _refuse_stranger(source)
        status = self._terms_of(trunk.name, "").policy.refusal
        reason = REASONS.get(status, b"").decode()
        return Refusal(status, reason, RefusalCause.OVERLOAD, "", trunk=trunk.name)

    def resembles_trunk(self, invite: Request, source: Flow) -> str:
        """Return why a stranger's INVITE may be one of a trunk (``ports.Admission``)."""
        if near := self._networks.near(source.host):
            return f"it is next to the networks of the trunk {near}"
        try:
            called = read_called_number(invite, _STRANGER).number
        except Malformed:
            return ""
        match = self._mapping.find(called) if called else None
        # Scanners dial at random: a number that is mapped by itself was hardly guessed.
        exact = match is not None and match.key == match.number
        return "it calls a number that is mapped" if exact else ""

    def share_trunk(self, one: str, other: str) -> bool:
        """Return True if two addresses are of one trunk (``ports.Admission``)."""
        trunk = self._networks.trunk_of(one)
        return trunk is not None and trunk is self._networks.trunk_of(other)

    def out_of_service(self, source: Flow) -> str:
        """Return why OPTIONS of a source get 503 (``ports.Admission``)."""
        if self._outage_of is None:
            return ""
        trunk = self._networks.trunk_of(source.host)
        return self._outage_of(trunk.name) if trunk is not None and trunk.options_503 else ""

    def strip_identity(self, request: Request, source: Flow, *, anonymous: bool = False) -> Request:
        """Strip the identity fields of a caller who requests privacy (``ports.Admission``).

        A trunk with ``pass_private_number`` keeps them.  That was settled when the dialog began:
        with ``anonymous`` neither the trunk nor the request is asked again.
        """
        trunk = self._networks.trunk_of(source.host)
        if not anonymous and (trunk is None or trunk.pass_private_number):
            return request
        stand_ins = trunk.stand_ins if trunk is not None else frozenset[str]()
        return strip_private_identity(request, stand_ins, anonymous=anonymous)

    def route(self, invite: Request, trunk: TrunkConfig) -> Route:
        """Return the numbers and the agent; raises ``Malformed`` for an invalid Request-URI."""
        called = read_called_number(invite, trunk)
        match = self._mapping.find(called.number) if called.number else None
        if match is None:
            return Route(called)
        if match.row.is_reserved(trunk.name):
            return Route(called, reserved=True)
        caller = read_caller_number(invite, trunk)
        # Anonymous callers are divided by their Call-ID: there is nothing else to tell them apart.
        agent = self._mapping.choose_agent(match, caller.number or invite.call_id_text)
        return Route(called, match, caller, agent)

    def decide(
        self, invite: Request, source: Flow, trunk: TrunkConfig, route: Route
    ) -> Call | Refusal:
        """Return the admitted call of a route, or the refusal of one without a match."""
        if route.match is None:
            return _refuse_unmapped(invite, trunk, route)
        caller, (row, called, key) = route.caller, route.match
        if caller.unmet:
            return _refuse_unmet_privacy(trunk, caller.unmet, called)
        anonymous = bool(caller.privacy) and not trunk.pass_private_number
        facts = Facts(caller.number, called, trunk.name, source.host, trunk.country, anonymous)
        terms = self._terms_of(trunk.name, key)
        if self._limits is not None and (excess := self._limits.exceeded(trunk.name, key)):
            return _refuse_excess(trunk, terms, excess, route)
        return Call(
            call_id=invite.call_id_text,
            trunk=trunk.name,
            from_number=caller.number or self._anonymous_number,
            to_number=row.number_for_api(called) if row.e164 else called,
            agent_id=route.agent,
            deadline=terms.budget(invite),
            pass_503=trunk.pass_503,
            policy=terms.policy,
            variables=self._variables.fill(invite, facts, key),
            generation=row.generation,
            anonymous=anonymous,
            row=key,
            nat=trunk.nat,
        )


class TrunkNetworks:
    """Finds the trunk of a source address by the longest matching network prefix.

    One dictionary per prefix length: the cost of a look-up does not grow with the networks.
    """

    def __init__(self, trunks: Iterable[TrunkConfig]) -> None:
        by_length: dict[tuple[int, int], dict[int, TrunkConfig]] = {}
        for trunk in trunks:
            for network in trunk.networks:
                host_bits = network.max_prefixlen - network.prefixlen
                prefix = int(network.network_address) >> host_bits
                by_length.setdefault((network.version, host_bits), {})[prefix] = trunk
        # (version, host bits): the longest prefix of each version comes first.
        self._by_length = sorted(by_length.items(), key=lambda entry: entry[0])
        # Not of a method: its cycle would keep the trunks of former settings alive.
        self.trunk_of = lru_cache(maxsize=4096)(partial(_find_trunk, self._by_length))

    def near(self, host: str) -> str:
        """Return the name of a trunk with an address in the /24, or the /48 of IPv6, of a host."""
        try:
            address = _unmap(ip_address(host))
        except ValueError:
            return ""
        around = ip_network(f"{address}/{_NEIGHBOURHOOD[address.version]}", strict=False)
        for (version, host_bits), trunks in self._by_length:
            if version == address.version:
                for prefix, trunk in trunks.items():
                    if type(address)(prefix << host_bits) in around:
                        return trunk.name
        return ""


def _find_trunk(
    by_length: Sequence[tuple[tuple[int, int], Mapping[int, TrunkConfig]]], host: str
) -> TrunkConfig | None:
    try:
        address = _unmap(ip_address(host))
    except ValueError:  # a host name
        return None
    for (version, host_bits), trunks in by_length:
        if version == address.version:
            trunk = trunks.get(int(address) >> host_bits)
            if trunk is not None:
                return trunk
    return None


def _refuse_unmapped(invite: Request, trunk: TrunkConfig, route: Route) -> Refusal:
    number = route.called.number
    # The trunk gets the same 404: it need not learn that the number is another one's.
    shown = mask_untrusted(number)
    text = f"no agent is mapped to {shown}"
    if route.reserved:
        text = f"{shown} is reserved for other trunks"
    cause, caller = RefusalCause.UNMAPPED_NUMBER, read_caller_number(invite, trunk)
    # A trunk may pass private numbers to the agent; that of a call without one is for nobody.
    from_number = "" if caller.privacy else caller.number
    return Refusal(404, "Not Found", cause, text, None, trunk.name, from_number, number)


def _refuse_excess(trunk: TrunkConfig, terms: Terms, excess: str, route: Route) -> Refusal:
    """Refuse a call that exceeds a limit, with the status of the policy.

    No Retry-After: the trunk's other calls, and the end of one of these, are welcome at once.
    """
    status = terms.policy.refusal_for(RefusalCause.CALL_LIMIT)
    reason = REASONS.get(status, b"").decode()
    caller = "" if route.caller.privacy else route.caller.number
    called = route.called.number
    return Refusal(
        status, reason, RefusalCause.CALL_LIMIT, excess, None, trunk.name, caller, called
    )


def _refuse_unmet_privacy(trunk: TrunkConfig, unmet: str, number: str) -> Refusal:
    """Refuse a call whose privacy is critical (RFC 3323 5: 500, with the values in its reason)."""
    text = f"Privacy is critical, and no proxy can perform {unmet}"
    reason = f"Privacy Failure: {unmet}"
    return Refusal(500, reason, RefusalCause.PRIVACY, text, None, trunk.name, "", number)


class _Stranger(NamedTuple):
    """The numbers of a source that belongs to no trunk, as they are written, for the log."""

    country: str | None = None
    called: tuple[str, ...] = (REQUEST_URI,)
    strip: tuple[str, ...] = ()
    caller: tuple[str, ...] = (FROM,)
    pass_private_number: bool = False
    stand_ins: frozenset[str] = frozenset()


_STRANGER = _Stranger()


def _refuse_stranger(source: Flow, invite: Request | None = None) -> Refusal:
    """Refuse a source without a trunk; of an ``invite`` that was read, with the numbers."""
    text = f"{source.host} belongs to no trunk"
    refusal = Refusal(403, "Forbidden", RefusalCause.UNKNOWN_SOURCE, text)
    if invite is None:
        return refusal
    caller = read_caller_number(invite, _STRANGER).number
    try:
        called = read_called_number(invite, _STRANGER).number
    except Malformed:  # a stranger gets the same 403 for any Request-URI
        called = ""
    return replace(refusal, from_number=caller, to_number=called)


def _unmap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return an IPv4-mapped IPv6 address (``::ffff:192.0.2.1``) as IPv4."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
