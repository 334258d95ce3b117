"""How long a call may be staged: the least of all who wait for it, less what forwarding needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_stager.model.call import Policy
    from sip_stager.sip.message import Request

LEAST = 0.1
"""Seconds that a staging gets at least: with less it could not even fail for a reason."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the settings grant a call; times are in seconds.

    ``patience`` is how long the carrier waits for a 180 or 183 before it hangs up, None where it
    waits for ever; ``margin`` is what forwarding needs of that and of the INVITE's Expires.
    """

    policy: Policy
    deadline: float
    patience: float | None = None
    margin: float = 0.3

    def budget(self, invite: Request) -> float:
        """Give the seconds that staging may take in all."""
        bound = self.bound(may_ring=not invite.requires(b"100rel"))
        if (expires := _expires(invite)) is not None:
            bound = min(bound, expires - self.margin)
        return max(bound, LEAST)

    def bound(self, *, may_ring: bool = True) -> float:
        """Give the same for an INVITE that does not expire; ``may_ring`` tells whether we may."""
        if self.patience is None or (may_ring and self.content):
            return self.deadline
        return min(self.deadline, self.patience - self.margin)

    @property
    def content(self) -> bool:
        """Whether the carrier hears ringing of ours well before its patience ends."""
        if not self.policy.ringing:
            return False
        return self.patience is None or self.policy.ringing_delay + self.margin <= self.patience


def _expires(invite: Request) -> int | None:
    """Give how long the INVITE is valid (RFC 3261 13.2.1), None where it does not say."""
    text = invite.value(b"expires") or b""
    return int(text) if text.isdigit() and len(text) <= 10 else None
