"""The flows that were lost, until their client transactions have been told (RFC 3261 17.1.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from sip_stager.model.flow import Flow
    from sip_stager.transaction.invite_client import InviteClientTransaction
    from sip_stager.transaction.non_invite_client import ClientTransaction
    from sip_stager.transaction.timers import LaneClock

LOST_FLOW_INTERVAL = 0.05
"""Seconds between two searches of all transactions for lost flows: ICMP errors come in floods."""


class LostFlows:
    """Fails the client transactions of lost flows.

    The first loss is handled at once, those within the next interval together.
    """

    def __init__(
        self,
        clock: LaneClock,
        invite_clients: Mapping[Hashable, InviteClientTransaction],
        clients: Mapping[Hashable, ClientTransaction],
    ) -> None:
        self._clock = clock
        self._invite_clients = invite_clients
        self._clients = clients
        self._lost: dict[tuple[object, ...], str] = {}
        self._searched_at = -LOST_FLOW_INTERVAL

    def add(self, flow: Flow, why: str) -> None:
        """Fail the transactions of a flow, now or at the end of the interval."""
        wait = self._searched_at + LOST_FLOW_INTERVAL - self._clock.time()
        if wait > 0 and not self._lost:
            self._clock.call_later(LOST_FLOW_INTERVAL, self._fail_lost)
        self._lost[flow[:3]] = why
        if wait <= 0:
            self._fail_lost()

    def _fail_lost(self) -> None:
        """Search the client transactions once for all flows that were lost."""
        lost, self._lost = self._lost, {}
        self._searched_at = self._clock.time()
        for store in (self._invite_clients, self._clients):
            for client in [one for one in store.values() if one.flow[:3] in lost]:
                client.flow_lost(lost[client.flow[:3]])
