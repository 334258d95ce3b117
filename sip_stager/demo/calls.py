"""What the fake API remembers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from sip_stager.demo.behaviour import Behaviour

UNCLAIMED = 60.0  # the real API gives a staged call up after so many seconds


@dataclass(slots=True)
class StagedCall:
    """A call that was asked for; ``created`` is the loop's time."""

    request: dict[str, Any]
    created: float
    behaviour: Behaviour
    polls: int = 0
    terminated: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)

    def status(self, now: float) -> str:
        """Give the API's word for it."""
        age = now - self.created
        if self.terminated:
            return "canceled"
        if age < self.behaviour.delay:
            return "initiated"
        if self.behaviour.becomes == "staged" and age - self.behaviour.delay > UNCLAIMED:
            return "no_answer"
        return self.behaviour.becomes


class StagedCalls(dict[str, StagedCall]):
    """Those of the last minutes, by the ids that they were given."""

    def remember(self, request: dict[str, Any], now: float, behaviour: Behaviour) -> str:
        """Take a call, and give its id."""
        staged_id = str(uuid4())
        self[staged_id] = StagedCall(request, now, behaviour)
        for old in [  # two for each new one, so that the store ends at a minute's worth and a bit
            key for key, call in islice(self.items(), 2) if now - call.created > 2 * UNCLAIMED
        ]:
            del self[old]
        return staged_id


@dataclass(slots=True)
class Stats:
    """What the server has seen; ``aborted`` counts requests whose client closed unanswered.

    ``under_way`` counts the requests that are being answered now.

    ``held`` is how long staging requests waited for their answer in all, in seconds: a timer comes
    a little late on the delay that it was given, and a measurement wants to know.
    """

    requests: int = 0
    under_way: int = 0
    stage_requests: int = 0
    held: float = 0.0
    polls: int = 0
    terminations: int = 0
    aborted: int = 0
    connections: int = 0
    responses: Counter[int] = field(default_factory=Counter)
