"""What each side of a call will do, drawn at random from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

DEADLINE = 1.0
"""Seconds; the program's deadline for staging."""

CALLERS = {
    "hangs up": 30,
    "hangs up at once": 8,
    "waits for the BYE": 10,
    "cancels while staging": 8,
    "cancels while ringing": 8,
    "CANCEL crosses 200": 5,
    "never ACKs": 3,
    "repeats INVITE": 5,
    "repeats ACK": 5,
    "re-INVITE": 6,
    "vanishes": 4,
    "malformed INVITE": 2,
    "garbage first": 2,
    "unmapped number": 2,
    "from no trunk": 2,
}
"""What a caller does, with its weight."""

CALLEES = {
    "answers": 30,
    "answers at once": 10,
    "early media": 6,
    "many provisionals": 5,
    "two 2xx": 5,
    "BYEs first": 8,
    "busy": 4,
    "unavailable": 3,
    "declines": 3,
    "moved": 3,
    "rings on": 5,
    "silent": 2,
    "487 late": 3,
    "200 after CANCEL": 4,
    "malformed, then answers": 3,
    "malformed, then busy": 2,
    "malformed, then silent": 1,
    "vanishes after 180": 2,
    "vanishes when up": 3,
}
"""What a callee does, with its weight."""


class ApiAnswer(NamedTuple):
    """What the API does: its weight, the fields of a ``Behaviour``, and if the call is staged."""

    weight: float
    behaviour: dict[str, Any]
    staged: bool = False


API_ANSWERS = {
    "good": ApiAnswer(60, {}, staged=True),
    "good in 20 ms": ApiAnswer(15, {"delay": 0.02}, staged=True),
    "good in 300 ms": ApiAnswer(8, {"delay": 0.3}, staged=True),
    "good, then closes": ApiAnswer(2, {"fault": "close_after"}, staged=True),
    "over the deadline": ApiAnswer(1, {"delay": 3 * DEADLINE}),
    **{
        f"{status}": ApiAnswer(0.7, {"status": status})
        for status in (400, 401, 404, 408, 422, 429, 500, 502, 503)
    },
    **{
        fault: ApiAnswer(0.5, {"fault": fault})
        for fault in (
            *("silent", "slow_headers", "drip", "reset", "hang_up", "truncated_body"),
            *("truncated_json", "compressed", "redirect", "wrong_types", "numeric_call_id"),
            *("no_call_id", "crlf_call_id"),
        )
    },
    "oversized": ApiAnswer(0.1, {"fault": "oversized"}),
}

NUMBERS = {name: f"+336000000{ordinal:02}" for ordinal, name in enumerate(API_ANSWERS)}
"""The fake API chooses its behaviour by the called number, so each answer has a number."""

UNMAPPED = "+33699999999"
MAX_CANCEL_DELAY = 4.5
"""Seconds after which every caller cancels; longer than the deadline plus timer B."""

_NO_FINAL_RESPONSE = {"vanishes after 180", "malformed, then silent"}
_UDP_ONLY = {"malformed INVITE", "garbage first", "from no trunk"}


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call; times are in seconds.

    ``vanishes_at`` is the event after which a vanishing caller sends nothing; ``variant`` selects
    a malformed message; ``short_delay`` precedes CANCEL, re-INVITE or an early BYE.
    """

    index: int
    caller: str
    api: str
    callee: str
    transport: str
    vanishes_at: str
    large: bool
    short_delay: float
    cancel_after: float
    ring_time: float
    talk_time: float
    variant: int

    @property
    def number(self) -> str:
        """The called number."""
        return UNMAPPED if self.caller == "unmapped number" else NUMBERS[self.api]

    @property
    def reaches_callee(self) -> bool:
        """True if the INVITE may be forwarded."""
        refused = {"malformed INVITE", "unmapped number", "from no trunk"}
        return self.caller not in refused and API_ANSWERS[self.api].staged


def draw_plan(seed: int, index: int) -> CallPlan:
    """Return the plan of a call; the same seed and index return the same plan."""
    chance = Random(f"{seed}/{index}")
    caller, callee = (_choose(chance, table) for table in (CALLERS, CALLEES))
    api = _choose(chance, {name: answer.weight for name, answer in API_ANSWERS.items()})
    moments = ["INVITE", "100", "ringing", "answer"]
    if callee in _NO_FINAL_RESPONSE:
        moments = ["answer"]  # otherwise only timer C would end the call, after 3 minutes
    return CallPlan(
        index=index,
        caller=caller,
        api=api,
        callee=callee,
        transport="TCP" if chance.random() < 0.25 and caller not in _UDP_ONLY else "UDP",
        vanishes_at=chance.choice(moments),
        large=chance.random() < 0.03,
        short_delay=chance.random() * chance.choice((0.01, 0.1)),
        cancel_after=chance.choice((1.5, MAX_CANCEL_DELAY)),
        ring_time=chance.random() * 0.3,
        talk_time=chance.random() * 0.3,
        variant=chance.randrange(1000),
    )


def _choose(chance: Random, weights: dict[str, Any]) -> str:
    return chance.choices(tuple(weights), tuple(weights.values()))[0]
