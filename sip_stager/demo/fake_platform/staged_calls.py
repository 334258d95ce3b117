"""The calls that the fake API has staged, and its statistics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import uuid4

from sip_stager.demo.fake_platform.behaviour import Behaviour

UNCLAIMED_TIMEOUT = 60.0  # seconds after which the API ends a staged call that nobody joined


@dataclass(slots=True)
class StagedCall:
    """A call that a client asked to stage; ``created`` is a time of the event loop's clock."""

    request: dict[str, Any]
    created: float
    behaviour: Behaviour
    polls: int = 0
    terminated: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)

    def status(self, now: float) -> str:
        """Return the status that the API shows."""
        age = now - self.created
        if self.terminated:
            return "canceled"
        if age < self.behaviour.delay:
            return "initiated"
        if self.behaviour.becomes == "staged" and age - self.behaviour.delay > UNCLAIMED_TIMEOUT:
            return "no_answer"
        return self.behaviour.becomes


class StagedCalls(dict[str, StagedCall]):
    """The calls of the last minutes, by staged id."""

    def add(self, request: dict[str, Any], now: float, behaviour: Behaviour) -> str:
        """Store a call and return its id."""
        staged_id = str(uuid4())
        self[staged_id] = StagedCall(request, now, behaviour)
        # Each new call removes at most two expired ones: the cost per call is constant, and the
        # store still shrinks.
        expired = [
            key
            for key, call in islice(self.items(), 2)
            if now - call.created > 2 * UNCLAIMED_TIMEOUT
        ]
        for key in expired:
            del self[key]
        return staged_id


@dataclass(slots=True)
class Stats:
    """Counters of the server.

    - ``active``: requests that are being answered now.
    - ``aborted``: requests whose client closed the connection before the answer.
    - ``held_seconds``: the measured sum of the delays of staging requests.  A timer fires a
      little late, and a benchmark must not count that against the program.
    """

    requests: int = 0
    active: int = 0
    stage_requests: int = 0
    held_seconds: float = 0.0
    polls: int = 0
    terminations: int = 0
    aborted: int = 0
    connections: int = 0
    responses: Counter[int] = field(default_factory=Counter)
