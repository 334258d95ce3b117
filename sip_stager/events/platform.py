"""Events of the platform that belong to no single call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sip_stager.model.vocabulary import AgentState, BreakerState, StagingOutcome


@dataclass(frozen=True, slots=True)
class BreakerMoved:
    """The circuit breaker before the API changed its ``state``.

    ``failures`` of ``calls`` in its window opened it, for ``pause`` seconds; both are 0 if it was
    opened again by the failure of a single probing call.
    """

    state: BreakerState
    calls: int
    failures: int
    pause: float


@dataclass(frozen=True, slots=True)
class AgentBreakerMoved:
    """The circuit breaker of one agent changed its ``state``; fields as in ``BreakerMoved``."""

    agent_id: str
    state: BreakerState
    calls: int
    failures: int
    pause: float


@dataclass(frozen=True, slots=True)
class AgentStateChanged:
    """The API no longer knows a mapped agent, or knows it again; ``text`` is from the API.

    ``version`` is the mapped one, or None for the latest published one.
    """

    agent_id: str
    version: int | None
    state: AgentState
    text: str = ""


@dataclass(frozen=True, slots=True)
class NumbersRefreshed:
    """The platform's list of numbers was fetched.

    ``counts`` is how many numbers have each use (``trunks.platform_numbers``).  ``wrong`` holds
    the reasons for some unusable ones, with masked digits.  ``news``: the list differs from the
    one before.
    """

    counts: Mapping[str, int]
    wrong: tuple[str, ...]
    news: bool


@dataclass(frozen=True, slots=True)
class NumbersNotRefreshed:
    """The platform's list of numbers could not be fetched; the last good one stays in use.

    ``text`` is untrusted.
    """

    outcome: StagingOutcome
    http_status: int
    text: str
