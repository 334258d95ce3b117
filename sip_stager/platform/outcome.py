"""The outcomes of staging a call, and of other requests to the API, as values.

The word for each is in ``StagingOutcome``.  A ``text`` is escaped and of bounded length, but it
comes from a stranger's server all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from sip_stager.model.vocabulary import StagingOutcome

NOT_SENT = 0
"""The ``http_status`` of a request that was not sent, since the API's rate limit is used up."""


@dataclass(frozen=True, slots=True)
class Staged:
    """A staged call, whose agent waits; ``staged_id`` is a plain token, fit for a header field."""

    kind: ClassVar = StagingOutcome.STAGED
    staged_id: str
    http_status: int = 201
    text: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal of the API, by an HTTP status or by the call's own status (``http_status`` 200).

    ``retry_after`` is in seconds.
    """

    http_status: int
    text: str
    retry_after: int | None = None

    @property
    def kind(self) -> StagingOutcome:
        """The word for it: each of the three is for somebody else to mend."""
        if self.http_status in {NOT_SENT, 429}:
            return StagingOutcome.BUSY
        return StagingOutcome.FAILED if self.http_status >= 500 else StagingOutcome.REFUSED


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A request that met its deadline; with ``http_status`` 408 the API gave up by itself."""

    kind: ClassVar = StagingOutcome.TIMEOUT
    text: str
    http_status: int = 0

    @classmethod
    def after(cls, deadline: float) -> Self:
        """Return the outcome of a staging that took longer than ``deadline`` seconds."""
        return cls(f"the API did not stage the call within {round(deadline, 2):g} s")


@dataclass(frozen=True, slots=True)
class ApiUnreachable:
    """A request without a whole response: name look-up, TCP, TLS, or a broken connection.

    ``sent``: the API may have received the request.  ``answered``: a part of a response came.
    """

    kind: ClassVar = StagingOutcome.API_UNREACHABLE
    text: str
    http_status: int = 0
    sent: bool = True
    answered: bool = False


@dataclass(frozen=True, slots=True)
class InvalidResponse:
    """A response of success without the data that it should have."""

    kind: ClassVar = StagingOutcome.INVALID_RESPONSE
    text: str
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class BreakerOpen:
    """A request that was not sent, since the circuit breaker is open.

    ``seconds_to_probe`` is the time until it lets a call through; 0 while one call probes the API,
    or if the request had been let through before the breaker opened.
    """

    kind: ClassVar = StagingOutcome.BREAKER_OPEN
    text: str
    http_status: int = 0
    seconds_to_probe: float = 0.0


@dataclass(frozen=True, slots=True)
class AgentBreakerOpen:
    """A request that was not sent, since the circuit breaker of its agent is open."""

    kind: ClassVar = StagingOutcome.AGENT_BREAKER_OPEN
    text: str
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A staging whose caller hung up: nothing is decided any more."""

    kind: ClassVar = StagingOutcome.CANCELLED
    text: str = ""
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class Stopped:
    """A staging that was under way when the program stopped."""

    kind: ClassVar = StagingOutcome.STOPPED
    text: str = "the proxy is being stopped"
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class InternalError:
    """An error of this program; the log has the traceback."""

    kind: ClassVar = StagingOutcome.INTERNAL_ERROR
    text: str = "internal error while staging; the log has the traceback"
    http_status: int = 0


Failure = Refused | TimedOut | ApiUnreachable | InvalidResponse | BreakerOpen | AgentBreakerOpen
Outcome = Staged | Failure | Cancelled | Stopped | InternalError


def describe_failure(failure: Failure | InternalError) -> str:
    """Return the reason for a failure as one line for an operator."""
    status = f"HTTP {failure.http_status}: " if failure.http_status else ""
    return f"{status}{failure.text}"
