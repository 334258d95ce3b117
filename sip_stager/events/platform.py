"""What the platform is found to be like, beside any one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.model.vocabulary import AgentState, BreakerState, StagingOutcome


@dataclass(frozen=True, slots=True)
class BreakerMoved:
    """The circuit breaker before the API changed its ``state``.

    ``failures`` of ``calls`` in its window made it open, for ``pause`` seconds; 0 of 0 where it
    was one call that tried the API again.
    """

    state: BreakerState
    calls: int
    failures: int
    pause: float


@dataclass(frozen=True, slots=True)
class AgentStateChanged:
    """A mapped agent is ``missing`` in the API, or ``known`` again; ``text`` is the API's word.

    ``version`` is the one that the mapping names, None for the one that was published last.
    """

    agent_id: str
    version: int | None
    state: AgentState
    text: str = ""


@dataclass(frozen=True, slots=True)
class NumbersRefreshed:
    """The platform's list of numbers was fetched.

    ``counts`` has how many are ``staged``, ``redirected``, ``without_agent`` and ``unusable``;
    ``wrong`` says of some unusable ones why they are, masked.  ``news`` tells whether the list says
    anything that the one before did not.
    """

    counts: Mapping[str, int]
    wrong: tuple[str, ...]
    news: bool


@dataclass(frozen=True, slots=True)
class NumbersNotRefreshed:
    """The platform's list of numbers could not be had; the last good one stays.

    ``outcome`` is ``refused``, ``busy``, ``failed``, ``timeout``, ``api_unreachable``,
    ``invalid_response``
    or ``internal_error``;
    ``text`` is untrusted.
    """

    outcome: StagingOutcome
    http_status: int
    text: str
