"""How much may be alive before new calls are turned away."""

from __future__ import annotations

from typing import NamedTuple

from sip_stager.ports import Refusal


class Bounds(NamedTuple):
    """How many transactions and calls that are being staged may be alive before new calls wait."""

    transactions: int = 200_000
    calls_staging: int = 5_000

    def refusal(self, trunk: str, staging: int, alive: int) -> Refusal | None:
        """Refuse a call of a trunk that there is no room for, beside those that are there."""
        if staging >= self.calls_staging:
            what = "calls being staged"
        elif alive > self.transactions:
            what = "transactions"
        else:
            return None
        return Refusal(503, "Service Unavailable", "overload", f"too many {what}", 5, trunk)
