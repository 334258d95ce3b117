"""The treatments of a call that could not be staged, in the order of its policy."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from sip_stager.model.call import REFUSE
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind

if TYPE_CHECKING:
    from sip_stager.model.call import Call, Cause, Policy, Treatment


class Fallbacks:
    """Yields the treatments for the first failure of a call, one per failure.

    The list is chosen by the cause of the first failure and kept for later ones (those of other
    agents).  Once the caller has heard our ringing, ``after_ringing`` replaces the rest of it, but
    for other agents: the caller has waited long enough.
    """

    __slots__ = ("_after_ringing", "_left", "_policy")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._left: deque[Treatment] | None = None
        self._after_ringing = False

    def next_for(self, cause: Cause, *, rung: bool) -> Treatment:
        """Return the next treatment; ``rung``: the caller has heard our ringing."""
        if cause == StagingOutcome.STOPPED:
            return REFUSE  # the program stops: no other treatment would come to an end
        after_ringing = self._policy.after_ringing if rung else ()
        if self._left is None:
            self._left = deque(after_ringing or self._policy.treatments.get(cause, ()))
        elif after_ringing and not self._after_ringing:
            self._left = deque(one for one in after_ringing if one.kind != TreatmentKind.AGENT)
        self._after_ringing = bool(after_ringing)
        return self._left.popleft() if self._left else REFUSE


def reserve_time_for_fallback(call: Call, *, rings: bool) -> Call:
    """Return the call with a shorter deadline if another agent is to be staged after a timeout.

    ``rings``: the caller may hear our ringing before that, and then ``after_ringing`` counts.
    """
    if not call.policy.stages_another:
        return call
    policy, half = call.policy, call.deadline / 2
    # The deadline of the first agent is tried at two moments.  At each, the treatments that would
    # count then decide; if they begin with another agent, the first one's time ends there.
    # 1. After half of the deadline, so that both agents have the same time.
    # 2. If no agent follows then: in the middle between our ringing and the deadline, in case
    #    ``after_ringing`` names an agent, which it can do only once we have rung.
    for end in (half, (max(half, policy.ringing_delay) + call.deadline) / 2):
        rung = rings and policy.ringing_delay <= end
        following = (rung and policy.after_ringing) or policy.treatments.get(
            StagingOutcome.TIMEOUT, ()
        )
        if following and following[0].kind is TreatmentKind.AGENT:
            return call._replace(deadline=min(end, call.deadline), another_follows=True)
    return call
