"""What is done with a call that could not be staged: its policy's list, and where that stands."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from sip_stager.model.call import REFUSE
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind

if TYPE_CHECKING:
    from sip_stager.model.call import Call, Cause, Policy, Treatment


class Treatments:
    """Gives one after another; what follows the first failure stands for later ones, too.

    But for ringing that began since: what stands for that counts then, without another agent.
    """

    __slots__ = ("_late", "_left", "_policy")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._left: deque[Treatment] | None = None
        self._late = False

    def following(self, cause: Cause, *, rung: bool) -> Treatment:
        """Give the next for a failure; ``rung`` tells whether the caller has heard us ring.

        A program that is being stopped would not live to see another way to its end.
        """
        if cause == StagingOutcome.STOPPED:
            return REFUSE
        late = self._policy.after_ringing if rung else ()
        if self._left is None:
            self._left = deque(late or self._policy.treatments.get(cause, ()))
        elif late and not self._late:
            self._left = deque(one for one in late if one.kind != TreatmentKind.AGENT)
        self._late = bool(late)
        return self._left.popleft() if self._left else REFUSE


def with_time_for_another(call: Call, *, rings: bool) -> Call:
    """Give the first agent half of the time where another one is to be staged at its end.

    ``rings`` tells whether the caller may hear us ring: what stands for that may count by then,
    and where only that names another agent, half of the time is cut that is left when we ring.
    """
    policy, half = call.policy, call.deadline / 2
    for end in (half, (max(half, policy.ringing_delay) + call.deadline) / 2):
        rung = rings and policy.ringing_delay <= end
        following = (rung and policy.after_ringing) or policy.treatments.get(
            StagingOutcome.TIMEOUT, ()
        )
        if following and following[0].kind == TreatmentKind.AGENT:
            return replace(call, deadline=min(end, call.deadline), another_follows=True)
    return call
