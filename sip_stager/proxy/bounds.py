"""How much may be alive before new calls are turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.ports import Refusal
from sip_stager.sip.responses import MAY_BE_RETRIED, REASONS

if TYPE_CHECKING:
    from sip_stager.ports import Call

_RETRY_AFTER = 5  # seconds


class Bounds(NamedTuple):
    """How many transactions and calls that are being staged may be alive before new calls wait."""

    transactions: int = 200_000
    calls_staging: int = 5_000

    def refusal(self, call: Call, staging: int, alive: int) -> Refusal | None:
        """Refuse a call that there is no room for, beside those that are there."""
        if staging >= self.calls_staging:
            what = "calls being staged"
        elif alive > self.transactions:
            what = "transactions"
        else:
            return None
        status = call.policy.refusal
        reason = REASONS.get(status, b"").decode()
        again = _RETRY_AFTER if status in MAY_BE_RETRIED else None
        return Refusal(status, reason, "overload", f"too many {what}", again, call.trunk)
