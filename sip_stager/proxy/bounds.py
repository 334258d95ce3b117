"""Limits on transactions, calls and memory; above them new calls are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.model.call import Refusal
from sip_stager.model.vocabulary import RefusalCause
from sip_stager.sip.responses import REASONS, RETRY_AFTER_STATUSES

if TYPE_CHECKING:
    from sip_stager.model.call import Call
    from sip_stager.ports import Stager
    from sip_stager.transaction.layer import TransactionLayer

RETRY_AFTER = 5
"""Seconds in the Retry-After of a refusal."""
TRUNK_SHARE = 9
"""A trunk may have so many times the room that is left: alone, nine tenths of all."""
SHARES = 1024
"""A message may take one of so many equal shares of the bytes that are left: large messages leave
room for more than a thousand small ones."""


class Bounds(NamedTuple):
    """The numbers of transactions and of calls being staged above which new calls are refused.

    ``message_bytes`` limits the memory of all transactions together.  ``several_trunks``: they
    share the calls being staged.
    """

    transactions: int = 200_000
    calls_staging: int = 5_000
    message_bytes: int = 256 * 1024 * 1024
    several_trunks: bool = False

    def staging_exceeded(self, stager: Stager, trunk: str) -> bool:
        """Return True if no other call of a trunk may be staged now.

        A trunk may have ``TRUNK_SHARE`` times as many calls being staged as there is room left.  So
        one trunk alone never fills the store, and another one finds room for its calls at once.
        """
        left = self.calls_staging - stager.waiting
        if left <= 0 or not self.several_trunks:
            return left <= 0
        return stager.waiting_of(trunk) >= TRUNK_SHARE * left

    def refusal(
        self, call: Call, layer: TransactionLayer, size: int, *, staging_full: bool
    ) -> Refusal | None:
        """Return the refusal of a call that would exceed a bound, or None.

        ``staging_full``: no other call may be staged; ``size`` is that of its INVITE in bytes.
        """
        excess = "calls being staged" if staging_full else self.exceeded(layer, size)
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
