"""Limits on transactions, calls and memory; above them new calls are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.model.call import Refusal
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.responses import REASONS, RETRY_AFTER_STATUSES

if TYPE_CHECKING:
    from sip_stager.model.call import Call
    from sip_stager.transaction.layer import TransactionLayer

RETRY_AFTER = 5
"""Seconds in the Retry-After of a refusal."""
SHARES = 1024
"""A message may take one of so many equal shares of the bytes that are left: large messages leave
room for more than a thousand small ones."""


class Bounds(NamedTuple):
    """The numbers of transactions and of calls being staged above which new calls are refused.

    ``message_bytes`` limits the memory of all transactions together.
    """

    transactions: int = 200_000
    calls_staging: int = 5_000
    message_bytes: int = 256 * 1024 * 1024

    def refusal(
        self, call: Call, staging: int, layer: TransactionLayer, size: int
    ) -> Refusal | None:
        """Return the refusal of a call that would exceed a bound, or None.

        ``staging`` calls are being staged; ``size`` is that of the call's INVITE in bytes.
        """
        full = staging >= self.calls_staging
        excess = "calls being staged" if full else self.exceeded(layer, size)
        return _refuse(call, RefusalCause.OVERLOAD, f"too many {excess}") if excess else None

    def exceeded(self, layer: TransactionLayer, size: int, factor: int = 1) -> str:
        """Return the bound that a new transaction would exceed, in words; empty if there is none.

        The bounds are multiplied by ``factor``: the requests of calls that were accepted have
        room beyond that of new calls, so that a flood of calls does not keep one from ending.
        """
        if len(layer) > factor * self.transactions:
            return "transactions"
        left = factor * self.message_bytes - layer.message_bytes
        return "bytes of messages" if SHARES * size > left else ""


def refuse_stopped(call: Call) -> Refusal:
    """Return the refusal of a call because the program stops."""
    return _refuse(call, RefusalCause.STOPPED, "the proxy is being stopped")


def _refuse(call: Call, cause: RefusalCause, text: str) -> Refusal:
    """Return a refusal with the status of the call's policy."""
    status = call.policy.refusal_for(cause)
    reason = REASONS.get(status, b"").decode()
    retry_after = RETRY_AFTER if status in RETRY_AFTER_STATUSES else None
    numbers = call.from_number, call.to_number
    return Refusal(status, reason, cause, text, retry_after, call.trunk, *numbers)
