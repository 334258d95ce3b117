"""Profiles of carriers, from their documentation: defaults for the trunks that name them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sip_stager.config.tables.policy import CallPolicy

ProfileName = Literal["didww", "teams", "telnyx", "twilio"]


@dataclass(frozen=True, slots=True)
class Profile:
    """The known behaviour of a carrier.

    ``keys`` are defaults of the trunk other than its ``policy``. ``next_on`` are the refusals on
    which it tries its next route, None if unknown; ``ringing_ends`` is True if it tries none after
    a 180 or 183.  ``stand_ins`` are the numbers in E.164 that it sends for callers without one.
    """

    keys: Mapping[str, Any] = field(default_factory=dict)
    policy: CallPolicy = field(default_factory=CallPolicy)
    next_on: frozenset[int] | None = None
    ringing_ends: bool = False
    stand_ins: frozenset[str] = frozenset()

    def tries_next_on(self, status: int) -> bool:
        """Return True if the carrier may try its next route after a refusal with this status."""
        return self.next_on is None or status in self.next_on


NONE = Profile()
"""The profile of an unknown carrier, which sets nothing."""

PROFILES: dict[ProfileName | None, Profile] = {
    None: NONE,
    # It re-routes on all others; 401 and 503 end the call.
    "didww": Profile(
        policy=CallPolicy(refusal=480), next_on=frozenset(range(400, 700)) - {401, 503}
    ),
    # Which codes it fails over on is set there; none once it has heard a provisional but 100.
    "teams": Profile(policy=CallPolicy(ringing="never"), ringing_ends=True),
    # It waits 5 s for a 180 or 183; with a single route it comes again from its second address.
    "telnyx": Profile(
        {"ringback_timeout": 5.0, "pass_503": True},
        CallPolicy(refusal=480, ringing="never"),
        frozenset({408, 480, 503, 504}),
        ringing_ends=True,
    ),
    # It fails over on lateness and 503; that it does on any other code is not documented.
    "twilio": Profile(
        {"pass_503": True},
        CallPolicy(refusal=503),
        frozenset({503}),
        # ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on the keys of a telephone.
        stand_ins=frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"}),
    ),
}
