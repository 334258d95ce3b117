"""Whose call this is, and which agent is meant: decided from what is in memory."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sip_stager.model.call import Call, Refusal
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.trunks.called_number import Called, Spelling, called_number
from sip_stager.trunks.caller_number import (
    Caller,
    Identifying,
    caller_number,
    strip_private_identity,
)
from sip_stager.trunks.phone_numbers import shown
from sip_stager.trunks.placeholders import Facts
from sip_stager.trunks.variables import CallVariables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_stager.model.flow import Flow
    from sip_stager.sip.message import Request
    from sip_stager.trunks.budget import Terms
    from sip_stager.trunks.mapping import Match, NumberMapping


class Trunk(Spelling, Identifying, Protocol):
    """A carrier: its name, where its calls come from, and how it writes numbers."""

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        ...

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The addresses that its calls come from."""
        ...

    @property
    def pass_503(self) -> bool:
        """Whether an upstream's 503 goes back to it as it is."""
        ...


class Route(NamedTuple):
    """What an INVITE leads to, with the reasons; without a match it leads nowhere."""

    called: Called
    match: Match | None = None
    caller: Caller = Caller()
    agent: str = ""


class TrunkAdmission:
    """Lets calls in from known networks to mapped numbers (``ports.Admission``).

    ``mapping`` has the agents of the called numbers; ``terms_of`` says what a call from a trunk, by
    its name, to a row of it, by its number, is granted; ``anonymous_number`` stands for a caller
    who is anonymous or has no number.  ``variables`` has those of all trunks and numbers.
    """

    def __init__(
        self,
        trunks: Iterable[Trunk],
        mapping: NumberMapping,
        terms_of: Callable[[str, str], Terms],
        anonymous_number: str,
        variables: CallVariables | None = None,
    ) -> None:
        self._networks = TrunkNetworks(trunks)
        self._mapping = mapping
        self._terms_of = terms_of
        self._anonymous_number = anonymous_number
        self._variables = variables or CallVariables()

    def admit(self, invite: Request, source: Flow) -> Call | Refusal:
        """Decide at once; raises ``Malformed`` where the Request-URI is."""
        trunk = self._networks.trunk_of(source.host)
        if trunk is None:
            text = f"{source.host} belongs to no trunk"
            return Refusal(403, "Forbidden", RefusalCause.UNKNOWN_SOURCE, text)
        return self.decided(invite, source, trunk, self.route(invite, trunk))

    def strip_identity(self, request: Request, source: Flow, *, anonymous: bool = False) -> Request:
        """Strip the identity fields of a caller who requests privacy (``ports.Admission``).

        A trunk with ``pass_private_number`` keeps them.  That was settled when the dialog began:
        with ``anonymous`` neither the trunk nor the request is asked again.
        """
        trunk = self._networks.trunk_of(source.host)
        if not anonymous and (trunk is None or trunk.pass_private_number):
            return request
        return strip_private_identity(request, anonymous=anonymous)

    def route(self, invite: Request, trunk: Trunk) -> Route:
        """Find out who is called, and by whom; raises ``Malformed`` where the Request-URI is."""
        called = called_number(invite, trunk)
        match = self._mapping.find(called.number) if called.number else None
        if match is None:
            return Route(called)
        caller = caller_number(invite, trunk)
        agent = self._mapping.agent(match, caller.number or invite.call_id_text)
        return Route(called, match, caller, agent)

    def decided(self, invite: Request, source: Flow, trunk: Trunk, route: Route) -> Call | Refusal:
        """Make a call of what an INVITE leads to."""
        if route.match is None:
            text = f"no agent is mapped to {shown(route.called.number)}"
            return Refusal(404, "Not Found", RefusalCause.UNMAPPED_NUMBER, text, trunk=trunk.name)
        caller, called, number = route.caller, route.match.number, route.match.row.number
        anonymous = bool(caller.privacy) and not trunk.pass_private_number
        facts = Facts(caller.number, called, trunk.name, source.host, trunk.country, anonymous)
        terms = self._terms_of(trunk.name, number)
        return Call(
            call_id=invite.call_id_text,
            trunk=trunk.name,
            from_number=caller.number or self._anonymous_number,
            to_number=called,
            agent_id=route.agent,
            deadline=terms.budget(invite),
            pass_503=trunk.pass_503,
            policy=terms.policy,
            variables=self._variables.of(invite, facts, number),
            generation=route.match.row.generation,
            anonymous=anonymous,
        )


class TrunkNetworks:
    """Finds the trunk that an address belongs to; of several networks the narrowest wins."""

    def __init__(self, trunks: Iterable[Trunk]) -> None:
        owners: dict[tuple[int, int], dict[int, Trunk]] = {}
        for trunk in trunks:
            for network in trunk.networks:
                host_bits = network.max_prefixlen - network.prefixlen
                prefix = int(network.network_address) >> host_bits
                owners.setdefault((network.version, host_bits), {})[prefix] = trunk
        self._owners = sorted(owners.items(), key=lambda owner: owner[0])
        self.trunk_of = lru_cache(maxsize=4096)(self._find)

    def _find(self, host: str) -> Trunk | None:
        try:
            address = _plain(ip_address(host))
        except ValueError:  # a name
            return None
        for (version, host_bits), trunks in self._owners:
            if version == address.version:
                trunk = trunks.get(int(address) >> host_bits)
                if trunk is not None:
                    return trunk
        return None


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that an IPv6 socket shows as ``::ffff:192.0.2.1``."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
