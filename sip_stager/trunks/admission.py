"""Whose call this is, and which agent is meant: decided from what is in memory."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Protocol

from sip_stager.ports import Call, Flow, Refusal
from sip_stager.trunks.called import Spelling, called_number
from sip_stager.trunks.caller import Identifying, caller_number
from sip_stager.trunks.numbers import shown
from sip_stager.trunks.sources import Facts
from sip_stager.trunks.variables import CallVariables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sip_stager.sip.message import Request
    from sip_stager.trunks.budget import Terms


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


class TrunkAdmission:
    """Lets calls in from known networks to mapped numbers (``ports.Admission``).

    ``agents`` gives the agent's id for each called number, in E.164 or as a name; ``terms_of`` what
    a call from a trunk, by its name, to such a number is granted; ``anonymous_number`` stands for
    a caller who withholds his number or has none.  ``variables`` has those of all trunks and
    numbers.
    """

    def __init__(
        self,
        trunks: Iterable[Trunk],
        agents: Mapping[str, str],
        terms_of: Callable[[str, str], Terms],
        anonymous_number: str,
        variables: CallVariables | None = None,
    ) -> None:
        self._networks = TrunkNetworks(trunks)
        self._agents = agents
        self._terms_of = terms_of
        self._anonymous_number = anonymous_number
        self._variables = variables or CallVariables()

    def admit(self, invite: Request, source: Flow) -> Call | Refusal:
        """Decide at once; raises ``Malformed`` where the Request-URI is."""
        trunk = self._networks.trunk_of(source.host)
        if trunk is None:
            text = f"{source.host} belongs to no trunk"
            return Refusal(403, "Forbidden", "unknown_source", text)
        called = self._mapped(called_number(invite, trunk).number)
        agent = self._agents.get(called)
        if agent is None:
            text = f"no agent is mapped to {shown(called)}"
            return Refusal(404, "Not Found", "unmapped_number", text, trunk=trunk.name)
        caller = caller_number(invite, trunk)
        withheld = bool(caller.withheld) and not trunk.pass_withheld
        facts = Facts(caller.number, called, trunk.name, source.host, trunk.country, withheld)
        terms = self._terms_of(trunk.name, called)
        return Call(
            sip_call_id=invite.call_id_text,
            trunk=trunk.name,
            from_number=caller.number or self._anonymous_number,
            to_number=called,
            agent_id=agent,
            deadline=terms.budget(invite),
            pass_503=trunk.pass_503,
            policy=terms.policy,
            variables=self._variables.of(invite, facts, called),
        )

    def _mapped(self, number: str) -> str:
        """Return the called number as the mapping has it.

        Digits that no numbering plan knows are E.164 without its plus sign where they are mapped.
        """
        with_plus = f"+{number.removeprefix('00')}"
        return with_plus if number not in self._agents and with_plus in self._agents else number


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
