"""What can come of staging a call.

Everything that a ``text`` holds is escaped and capped; it came from a stranger all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from sip_stager.model.vocabulary import StagingOutcome

NOT_SENT = 0


@dataclass(frozen=True, slots=True)
class Staged:
    """The agent waits; ``staged_id`` is a plain token, fit for a header."""

    kind: ClassVar = StagingOutcome.STAGED
    staged_id: str
    http_status: int = 201
    text: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The API did not do it, by HTTP status or by the call's own; ``retry_after`` is in seconds.

    ``http_status`` is ``NOT_SENT`` where its rate limit is used up.
    """

    http_status: int
    text: str
    retry_after: int | None = None

    @property
    def kind(self) -> StagingOutcome:
        """Whether it said no, has too much to do, or failed: each is somebody else's to mend."""
        if self.http_status in {NOT_SENT, 429}:
            return StagingOutcome.BUSY
        return StagingOutcome.FAILED if self.http_status >= 500 else StagingOutcome.REFUSED


@dataclass(frozen=True, slots=True)
class TimedOut:
    """The deadline came first, or the API gave up by itself (``http_status`` 408)."""

    kind: ClassVar = StagingOutcome.TIMEOUT
    text: str
    http_status: int = 0

    @classmethod
    def after(cls, deadline: float) -> Self:
        """Say that it came after so many seconds, which are what is left of a call's budget."""
        return cls(f"the API did not stage the call within {round(deadline, 2):g} s")


@dataclass(frozen=True, slots=True)
class ApiUnreachable:
    """No whole answer came: name look-up, TCP, TLS, or a connection that broke.

    ``sent`` tells that the API may have got the request.
    """

    kind: ClassVar = StagingOutcome.API_UNREACHABLE
    text: str
    http_status: int = 0
    sent: bool = True


@dataclass(frozen=True, slots=True)
class InvalidResponse:
    """An answer of success that is of no use."""

    kind: ClassVar = StagingOutcome.INVALID_RESPONSE
    text: str
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class BreakerOpen:
    """The API has failed for so many calls that it is left alone for a while."""

    kind: ClassVar = StagingOutcome.BREAKER_OPEN
    text: str
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The caller hung up; nothing is decided any more."""

    kind: ClassVar = StagingOutcome.CANCELLED
    text: str = ""
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class Stopped:
    """The program was told to stop before the call was staged."""

    kind: ClassVar = StagingOutcome.STOPPED
    text: str = "the proxy is being stopped"
    http_status: int = 0


@dataclass(frozen=True, slots=True)
class InternalError:
    """This program failed; the log has the traceback."""

    kind: ClassVar = StagingOutcome.INTERNAL_ERROR
    text: str = "internal error while staging; the log says more"
    http_status: int = 0


Failure = Refused | TimedOut | ApiUnreachable | InvalidResponse | BreakerOpen
Outcome = Staged | Failure | Cancelled | Stopped | InternalError


def describe_failure(failure: Failure | InternalError) -> str:
    """Say why the API gave nothing, for a person."""
    status = f"HTTP {failure.http_status}: " if failure.http_status else ""
    return f"{status}{failure.text}"
