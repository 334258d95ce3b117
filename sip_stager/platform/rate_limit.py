"""The API's rate limit: which requests are held back for now; pure, times are arguments.

Theory of operation.  Nobody outside knows whether the platform limits by key or by agent, so the
responses decide which requests are held:

    response                                              holds
    ----------------------------------------------------  -------------------------------------
    RateLimit-Remaining: 0 with a reset, in any form      all requests
    429 with Retry-After, to a request for an agent       the requests for that agent
    the same while another agent is held                  all requests: the limit is the key's
    429 with Retry-After, to a request for no agent       all requests

    agent 2:    429, 20 s                    success of a try
                   |----------.......................|
    agent 2's      |  held    :  try    :  try       |  sent
    agent 1's      |  sent as ever                      unless it gets a 429 in these 20 s

A hold may be wrong, or over early.  So a few requests are let through meanwhile, as tries: their
number and their pace are bounded.  A success of a request that was sent during the hold ends it.
No other success does: responses overtake each other, and it may be older than the hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.platform.rate_limit_fields import NOTHING_SAID, read_limits

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_HOLD = 30.0
"""Seconds; whatever the API says, it is asked again after them."""
MAX_TRIES = 5
"""Requests that are let through during one hold."""
MIN_TRY_INTERVAL = 1.0
"""Seconds between two tries."""


class Hold:
    """A time in which requests are held back, but for a few tries."""

    __slots__ = ("_interval", "_next_try", "_tries", "since", "until")

    def __init__(self) -> None:
        self.since = self.until = 0.0
        self._interval = self._next_try = 0.0
        self._tries = 0

    def extend(self, now: float, seconds: float) -> None:
        """Hold requests for so many seconds from now, or for longer if that was known already."""
        if now >= self.until:
            self.since = now
            self._tries = MAX_TRIES
            self._interval = max(MIN_TRY_INTERVAL, seconds / (MAX_TRIES + 1))
            self._next_try = now + self._interval
        self.until = max(self.until, now + seconds)

    def end(self) -> None:
        """Hold no request any more."""
        self.until = 0.0

    def take_try(self, now: float) -> bool:
        """Return True if a request may go as a try, which is then spent."""
        if not self._tries or now < self._next_try:
            return False
        self._tries -= 1
        self._next_try = now + self._interval
        return True


class RateLimit:
    """The holds; ``remaining`` is None until a response has said it.

    ``max_hold`` is the longest hold, in seconds.
    """

    def __init__(self, max_hold: float = MAX_HOLD) -> None:
        self.remaining: int | None = None
        self._max_hold = max_hold
        self._all = Hold()
        self._agent = ""  # the held one: a second one would hold all
        self._of_agent = Hold()

    def delay(self, now: float, agent: str = "") -> float:
        """Return the seconds for which requests for an agent are held, 0 if they are not."""
        until = self._all.until
        if agent and agent == self._agent:
            until = max(until, self._of_agent.until)
        return max(0.0, until - now)

    def take_try(self, now: float, agent: str) -> bool:
        """Return True if a held request may be sent as a try."""
        if now < self._all.until:
            return self._all.take_try(now)
        return agent == self._agent and self._of_agent.take_try(now)

    def holds(self, now: float) -> dict[str, int]:
        """Return whether ``all`` requests are held, and those for one ``agent``, as 1 or 0."""
        return {"all": int(now < self._all.until), "agent": int(now < self._of_agent.until)}

    def update(
        self,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        now: float,
        time_of_day: float,
        *,
        agent: str = "",
        sent_at: float = 0.0,
    ) -> None:
        """Learn from a response to a request for ``agent``, sent not before ``sent_at``.

        ``time_of_day`` is ours, in seconds since 1970.
        """
        said = read_limits(status, headers, time_of_day)
        held = self._all.until or self._of_agent.until
        if said is NOTHING_SAID and not held:
            return
        if said.remaining is not None:
            self.remaining = said.remaining
        if said.reset > 0:
            self._hold_all(now, max(said.reset, said.retry_after))
        elif said.retry_after > 0:
            self._hold_agent(agent, now, said.retry_after)
        elif held and 200 <= status < 300 and said.remaining != 0:
            self._succeed(agent, sent_at)

    def _hold_agent(self, agent: str, now: float, seconds: float) -> None:
        another = agent != self._agent and now < self._of_agent.until
        if not agent or another or now < self._all.until:
            self._hold_all(now, seconds)
            return
        if agent != self._agent:
            self._agent, self._of_agent = agent, Hold()
        self._of_agent.extend(now, min(seconds, self._max_hold))

    def _hold_all(self, now: float, seconds: float) -> None:
        self._all.extend(now, min(seconds, self._max_hold))

    def _succeed(self, agent: str, sent_at: float) -> None:
        if self._all.until and sent_at > self._all.since:
            self._all.end()
        if agent and agent == self._agent and sent_at > self._of_agent.since:
            self._of_agent.end()
