"""A new call on its way: what was staged for it, and which of its targets may have used that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sip_stager.events import StagingWasted
from sip_stager.ports import LONGEST_USE
from sip_stager.proxy.forwarding import CALL_ID_FIELD, staged

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.ports import Call, Forward, Notify
    from sip_stager.proxy.branch import Branch
    from sip_stager.proxy.routing import Routed

_IN_VAIN = {"rejected": "refused", "cancelled": "hung_up", "stopped": "stopping"}
"""Why an id was sent in vain, by the outcome of its call; in all else nobody answered."""


@dataclass(eq=False, slots=True)
class NewCall:
    """The call that an INVITE begins, when that came, and whether the caller has heard us ring.

    ``forward`` is what was staged, None where nothing was; ``give_back`` takes it where nobody has
    used it.  ``users`` are the branches that it went to, but for those that surely did not use it;
    ``sent`` is the id, empty until any got it.
    """

    call: Call
    began: float
    rung: bool = False
    forward: Forward | None = None
    give_back: Callable[[], None] | None = None
    users: set[Branch] = field(default_factory=set)
    sent: str = ""
    late: bool = False

    def fit(self, routed: Routed, now: float) -> Routed:
        """Give a further target as it may be tried now: without an id that may be forgotten.

        The first one has it in any case: whoever handed it over has seen to its life.
        """
        if self.forward is not None and now > self.forward.staged_at + LONGEST_USE:
            self.late = True
            return without_id(routed)
        return routed

    def went_to(self, branch: Branch) -> str:
        """Take note that the INVITE left for a target; give the id that it got, empty for none."""
        if self.forward is None or self.late:
            return ""
        self.users.add(branch)
        self.sent = self.forward.call_id
        return self.sent

    def named_at(self, end: str, answered: Branch | None) -> str:
        """Give the id to tell at the end: one that was sent, and if it was answered, by whom."""
        return self.sent if end != "answered" or answered in self.users else ""

    def over(self, notify: Notify, outcome: str, answered: Branch | None) -> None:
        """Give back what nobody has used; tell of what was sent to targets that did not answer."""
        if self.forward is None or self.give_back is None or answered in self.users:
            return
        if not self.users:
            self.give_back()
            return
        reason = _IN_VAIN.get(outcome, "unanswered")
        notify(StagingWasted(self.call, self.forward.call_id, reason))


def with_id(routed: Routed, call_id: str) -> Routed:
    """Give a target that is told of the staged call."""
    return routed._replace(request=staged(routed.request, call_id))


def without_id(routed: Routed) -> Routed:
    """Give a target that is told of none, whatever the caller wrote."""
    return routed._replace(request=routed.request.without(CALL_ID_FIELD))
