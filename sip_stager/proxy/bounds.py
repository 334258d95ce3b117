"""How much may be alive before new calls are turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.model.call import Refusal
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.responses import REASONS, RETRY_AFTER_STATUSES

if TYPE_CHECKING:
    from sip_stager.model.call import Call
    from sip_stager.transaction.layer import TransactionLayer

RETRY_AFTER = 5
"""Seconds after which who was turned away may ask again."""
PART = 1024
"""A message may take one part in so many of the bytes that are left, so that large ones leave room
for more than a thousand small ones."""


class Bounds(NamedTuple):
    """How many transactions and calls that are being staged may be alive before new calls wait.

    ``message_bytes`` bounds what the transactions weigh together.
    """

    transactions: int = 200_000
    calls_staging: int = 5_000
    message_bytes: int = 256 * 1024 * 1024

    def refusal(
        self, call: Call, staging: int, layer: TransactionLayer, size: int
    ) -> Refusal | None:
        """Refuse a call that there is no room for, beside those that are there.

        ``size`` is that of its INVITE, in bytes.
        """
        full = staging >= self.calls_staging
        what = "calls being staged" if full else self.reached(layer, size)
        return _turned_away(call, RefusalCause.OVERLOAD, f"too many {what}") if what else None

    def reached(self, layer: TransactionLayer, size: int, times: int = 1) -> str:
        """Name what there is too much of for a new transaction; empty where it has room.

        What belongs to a call that was taken may fill what new calls may, so many ``times``.
        """
        if len(layer) > times * self.transactions:
            return "transactions"
        left = times * self.message_bytes - layer.message_bytes
        return "bytes of messages" if PART * size > left else ""


def stopping(call: Call) -> Refusal:
    """Refuse a call because the program ends."""
    return _turned_away(call, RefusalCause.STOPPED, "the proxy is being stopped")


def _turned_away(call: Call, cause: RefusalCause, text: str) -> Refusal:
    """Refuse a call as its policy refuses calls, for now."""
    status = call.policy.refusal
    reason = REASONS.get(status, b"").decode()
    again = RETRY_AFTER if status in RETRY_AFTER_STATUSES else None
    return Refusal(status, reason, cause, text, again, call.trunk)
