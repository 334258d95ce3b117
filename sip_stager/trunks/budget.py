"""The time that a call may be staged: the shortest of all limits, less the margin for forwarding.

::

    |<---------- Expires of the INVITE ----------------->|
    |<---- ringback timeout of the carrier -->|               (unless we ring in time)
    |<---------- deadline of the settings -------->|
    |<---- budget ----->|<------ margin ----->|
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_stager.model.call import Policy

if TYPE_CHECKING:
    from sip_stager.sip.message import Request

MIN_BUDGET = 0.1
"""Seconds; with less, a staging could not even fail for a reason."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy and the time limits of a call, from the settings; times are in seconds.

    ``ringback_timeout`` is the carrier's: it hangs up if no 180 or 183 comes in time, or waits for
    ever if None.  ``margin`` is the part of that, and of the INVITE's Expires, that forwarding
    needs.
    """

    policy: Policy
    deadline: float
    ringback_timeout: float | None = None
    margin: float = 0.3

    def budget(self, invite: Request) -> float:
        """Return the seconds that staging may take in all."""
        limit = self.limit(may_ring=not invite.requires(b"100rel"))
        if (expires := _expires(invite)) is not None:
            limit = min(limit, expires - self.margin)
        return max(limit, MIN_BUDGET)

    def limit(self, *, may_ring: bool = True) -> float:
        """Return the budget of an INVITE without Expires; ``may_ring``: it accepts our ringing."""
        if self.ringback_timeout is None or (may_ring and self.rings_in_time):
            return self.deadline
        return min(self.deadline, self.ringback_timeout - self.margin)

    @property
    def rings_in_time(self) -> bool:
        """True if the carrier hears our ringing well before its ringback timeout ends."""
        if not self.policy.ringing:
            return False
        if self.ringback_timeout is None:
            return True
        return self.policy.ringing_delay + self.margin <= self.ringback_timeout


def _expires(invite: Request) -> int | None:
    """Return the seconds that the INVITE is valid (RFC 3261 13.2.1), None without a usable one."""
    text = invite.value(b"expires") or b""
    return int(text) if text.isdigit() and len(text) <= 10 else None
