"""Outages in which new calls would be refused, for ``/readyz`` and the OPTIONS of trunks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.assembly.trunks import make_terms
from sip_stager.config.tables.address_types import parse_ip, split_sip_uri
from sip_stager.model.vocabulary import StagingOutcome
from sip_stager.transport.upstream_watch import Upstream, UpstreamWatch

if TYPE_CHECKING:
    from sip_stager.config import Settings
    from sip_stager.ports import Resolver
    from sip_stager.staging.stager import ApiStager

NO_UPSTREAM = "upstream_unreachable: no upstream can be reached"
BREAKER_OPEN = "breaker_open: the API failed too often"


class Outage:
    """Decides whether calls would be refused now: by the circuit breaker and the upstreams.

    The upstreams are asked only if a trunk or ``/readyz`` wants to know.
    """

    def __init__(self, settings: Settings, staging: ApiStager, names: Resolver) -> None:
        self._staging = staging
        self._watch = UpstreamWatch(upstreams(settings), names)
        self._use(settings, find_refusing(settings))

    def start(self) -> None:
        """Begin to ask the upstreams."""
        if self._wanted:
            self._watch.start()

    def adopt(self, settings: Settings, refusing: dict[str, bool]) -> None:
        """Use other settings, with their ``find_refusing``, and ask their upstreams."""
        self._use(settings, refusing)
        self._watch.replace(upstreams(settings) if self._wanted else ())

    def _use(self, settings: Settings, refusing: dict[str, bool]) -> None:
        self._refusing = refusing
        of_trunk = any(trunk.options_503 for trunk in settings.trunks)
        self._wanted = of_trunk or settings.http.unready_in_outage

    async def stop(self) -> None:
        """Ask no more."""
        await self._watch.stop()

    def of_trunk(self, name: str) -> str:
        """Return why the calls of a trunk would be refused; empty if they would not be."""
        if self._watch.unreachable:
            return NO_UPSTREAM
        return BREAKER_OPEN if self._refusing[name] and self._staging.rejects_calls else ""

    def of_all_trunks(self) -> str:
        """Return why the calls of every trunk would be refused; empty if some would not be."""
        reasons = [self.of_trunk(name) for name in self._refusing]
        return reasons[0] if all(reasons) else ""


def find_refusing(settings: Settings) -> dict[str, bool]:
    """Return for each trunk whether its policy refuses calls while the breaker is open.

    It goes through all numbers, so a reload calls it in a thread.
    """
    terms = make_terms(settings)
    return {
        trunk.name: terms(trunk.name, "").policy.refuses(StagingOutcome.BREAKER_OPEN)
        for trunk in settings.trunks
    }


def upstreams(settings: Settings) -> tuple[Upstream, ...]:
    """Return the upstreams, each with the address of the listener that sends to it, if certain."""
    found = []
    for uri in settings.upstream.uris:
        host, port, transport = split_sip_uri(uri)
        found.append(Upstream(host, port, transport, _source(settings, host, transport)))
    return tuple(found)


def _source(settings: Settings, host: str, transport: str) -> str:
    """Return the address of the one listener that can send to a host; empty for the system's."""
    address = parse_ip(host)
    able = {
        each.address
        for each in settings.listeners
        if each.transport == transport
        and (found := parse_ip(each.address)) is not None
        and (address is None or found.version == address.version)
    }
    only = able.pop() if len(able) == 1 else ""
    # A name may lead to an address of the other version, and a wildcard is no source.
    return only if address is not None and only not in {"0.0.0.0", "::"} else ""
