"""Events that matter to an operator, as log lines.

A call that goes well leaves two lines: ``call_forwarded`` and ``call_answered``.  A call that is
refused leaves the reason.  What strangers can cause as often as they like is rationed.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from sip_stager.events import (
    AftercareFailed,
    AgentStateChanged,
    BreakerMoved,
    CallEnded,
    CallRefused,
    CallTreated,
    HeaderLost,
    InviteForwarded,
    MessageDropped,
    NumbersNotRefreshed,
    NumbersRefreshed,
    StagingClaimed,
    StagingEnded,
    StagingWasted,
)
from sip_stager.trunks.numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.types import FilteringBoundLogger

    from sip_stager.events import Event
    from sip_stager.ports import Call

LINES_A_SECOND = 5
"""Of each cause that strangers can bring about; enough to see what goes on."""

MOST_STAGED = 10_000
"""Stagings remembered until their INVITE is forwarded, which takes microseconds."""

MOST_CHARACTERS = 1000
"""Of any one text in a line."""


class Ration:
    """Lets through so many lines of each kind in a second, and counts the rest."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, name: str, cause: str) -> dict[str, int] | None:
        """Give the field that tells how many were held back before; None holds this one back."""
        now = int(self._clock())
        second, count = self._counts.get((name, cause), (now, 0))
        if second != now:
            self._counts[name, cause] = now, 1
            return {"held_back": count - LINES_A_SECOND} if count > LINES_A_SECOND else {}
        self._counts[name, cause] = now, count + 1
        return {} if count < LINES_A_SECOND else None


_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class EventLog:
    """Writes a line for each event that matters."""

    def __init__(
        self,
        logger: FilteringBoundLogger,
        numbers: Literal["masked", "plain"] = "masked",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._text: Callable[[str], str] = mask if numbers == "masked" else str
        self._number = lru_cache(4096)(self._text)
        self._hides = numbers == "masked"
        self._ration = Ration(clock)
        self._staged: dict[str, StagingEnded] = {}
        self._writers: dict[type[Event], Callable[[Any], None]] = {
            MessageDropped: self._dropped,
            CallRefused: self._refused,
            StagingEnded: self._staging_ended,
            CallTreated: self._treated,
            BreakerMoved: self._breaker_moved,
            HeaderLost: self._header_lost,
            StagingClaimed: self._claimed,
            StagingWasted: self._wasted,
            AftercareFailed: self._aftercare_failed,
            InviteForwarded: self._forwarded,
            CallEnded: self._ended,
            AgentStateChanged: self._agent,
            NumbersRefreshed: self._numbers_refreshed,
            NumbersNotRefreshed: self._numbers_not_refreshed,
        }

    def __call__(self, event: Event) -> None:
        """Write the line of one event, if it has one."""
        if writer := self._writers.get(type(event)):
            writer(event)

    def _agent(self, event: AgentStateChanged) -> None:
        held_back = self._ration.take("agent", event.state)
        if held_back is None:
            return
        write = self._logger.warning if event.state == "missing" else self._logger.info
        write(
            f"agent_{event.state}",
            agent_id=event.agent_id,
            version=event.version,
            text=_short(event.text),
            **held_back,
        )

    def _numbers_refreshed(self, event: NumbersRefreshed) -> None:
        if event.news:
            write = self._logger.warning if event.wrong else self._logger.info
            write("numbers_refreshed", **event.counts, wrong=[_short(one) for one in event.wrong])

    def _numbers_not_refreshed(self, event: NumbersNotRefreshed) -> None:
        self._logger.warning(
            "numbers_not_refreshed",
            outcome=event.outcome,
            http_status=event.http_status,
            text=self._text(_short(event.text)),
        )

    def _shown_id(self, sip_call_id: str) -> str:
        """Give a Call-ID; it finds a carrier's record, so only E.164 numbers in it are masked."""
        text = _short(sip_call_id)
        return _E164.sub(lambda match: mask(match[0]), text) if self._hides else text

    def _dropped(self, event: MessageDropped) -> None:
        if event.cause == "keepalive":
            return
        held_back = self._ration.take("message_dropped", event.cause)
        if held_back is None:
            return
        write = self._logger.error if event.cause == "own_mistake" else self._logger.warning
        write(
            "message_dropped",
            cause=event.cause,
            peer=str(event.flow),
            detail=self._text(_short(event.detail)),
            **held_back,
        )

    def _refused(self, event: CallRefused) -> None:
        held_back = {} if event.trunk else self._ration.take("call_refused", event.cause)
        if held_back is None:
            return
        self._logger.warning(
            "call_refused",
            sip_call_id=self._shown_id(event.sip_call_id),
            trunk=event.trunk,
            status=event.status,
            cause=event.cause,
            text=self._text(_short(event.text)),
            elapsed_seconds=round(event.elapsed, 4),
            **held_back,
        )

    def _header_lost(self, event: HeaderLost) -> None:
        text = "the call was answered, and nobody claimed what was staged for it"
        self._logger.warning(
            "header_lost", **self._call(event.call), call_id=event.call_id, text=text
        )

    def _claimed(self, event: StagingClaimed) -> None:
        self._logger.info(
            "staging_claimed",
            **self._call(event.call),
            call_id=event.call_id,
            staged_for=self._shown_id(event.staged_for),
            **self._staging_of(event.staged_for),
        )

    def _wasted(self, event: StagingWasted) -> None:
        self._logger.warning(
            "staging_wasted",
            **self._call(event.call),
            call_id=event.call_id,
            **self._staging_of(event.call.sip_call_id),
        )

    def _aftercare_failed(self, event: AftercareFailed) -> None:
        held_back = self._ration.take(f"aftercare_failed {event.kind}", event.outcome)
        if held_back is None:
            return
        self._logger.warning(
            "aftercare_failed",
            sip_call_id=self._shown_id(event.call.sip_call_id),
            trunk=event.call.trunk,
            call_id=event.call_id,
            kind=event.kind,
            outcome=event.outcome,
            http_status=event.http_status,
            text=self._text(_short(event.text)),
            **held_back,
        )

    def _treated(self, event: CallTreated) -> None:
        self._logger.warning(
            "call_treated",
            **self._call(event.call),
            cause=event.cause,
            treatment=event.treatment,
            text=self._text(_short(event.text)),
            elapsed_seconds=round(event.elapsed, 4),
        )

    def _staging_ended(self, event: StagingEnded) -> None:
        if event.outcome == "staged":
            self._remember(event)
        elif event.outcome == "cancelled":
            self._logger.info(
                "staging_cancelled",
                sip_call_id=self._shown_id(event.call.sip_call_id),
                trunk=event.call.trunk,
                **_staging(event),
            )
        else:
            self._logger.warning(
                "staging_failed",
                **self._call(event.call),
                outcome=event.outcome,
                http_status=event.http_status,
                text=self._text(_short(event.text)),
                **_staging(event),
            )

    def _breaker_moved(self, event: BreakerMoved) -> None:
        if event.state != "open":
            self._logger.info(f"breaker_{event.state}")
            return
        self._logger.warning(
            "breaker_open", calls=event.calls, failures=event.failures, pause_seconds=event.pause
        )

    def _forwarded(self, event: InviteForwarded) -> None:
        self._logger.info(
            "call_forwarded",
            **self._call(event.call),
            call_id=event.call_id,
            target=str(event.target),
            attempt=event.attempt,
            elapsed_seconds=round(event.elapsed, 4),
            **self._staging_of(event.call.sip_call_id),
        )

    def _ended(self, event: CallEnded) -> None:
        lost = event.outcome in {"unreachable", "timed_out"}
        write = self._logger.warning if lost else self._logger.info
        write(
            f"call_{event.outcome}",
            sip_call_id=self._shown_id(event.call.sip_call_id),
            call_id=event.call_id,
            trunk=event.call.trunk,
            status=event.status,
            elapsed_seconds=round(event.elapsed, 4),
        )

    def _remember(self, event: StagingEnded) -> None:
        while len(self._staged) >= MOST_STAGED:
            del self._staged[next(iter(self._staged))]
        self._staged[event.call.sip_call_id] = event

    def _staging_of(self, sip_call_id: str) -> dict[str, Any]:
        """Give where the time of a call's staging went, once."""
        staging = self._staged.pop(sip_call_id, None)
        return _staging(staging) if staging else {}

    def _call(self, call: Call) -> dict[str, Any]:
        return {
            "sip_call_id": self._shown_id(call.sip_call_id),
            "trunk": call.trunk,
            "from_number": self._number(_short(call.from_number)),
            "to_number": self._number(_short(call.to_number)),
            "agent_id": call.agent_id,
        }


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "..."


def _staging(event: StagingEnded) -> dict[str, Any]:
    return {
        "staging_seconds": round(event.elapsed, 4),
        "staging_phases": {phase: round(seconds, 4) for phase, seconds in event.phases.items()},
    }
