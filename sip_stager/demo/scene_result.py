"""The observations of a scene on each side, compared with what its script expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sip_stager.demo.caller import CallReport
from sip_stager.demo.scene import Scene
from sip_stager.model.call import Cause
from sip_stager.model.vocabulary import BreakerState, TreatmentKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_stager.demo.scene import ScriptedCall

_CLOCK_RESOLUTION = 0.002  # seconds; timers have steps of a millisecond

Check = tuple[str, Any, Any]
"""The subject of a check, the observed value, and the expected value."""


@dataclass(frozen=True, slots=True)
class ObservedCall:
    """One call as both ends and the proxy saw it.

    ``reached`` is the destination of each INVITE and ``staged_ids`` its ``X-Rounded-Call-Id``;
    ``cause`` and ``treatments`` are what the proxy reported.
    """

    report: CallReport
    reached: tuple[str, ...] = ()
    staged_ids: tuple[str, ...] = ()
    cause: Cause | None = None
    treatments: tuple[TreatmentKind, ...] = ()


@dataclass(frozen=True, slots=True)
class SceneResult:
    """A scene as all sides saw it; fields have the names of those of ``Scene``.

    ``warm_up_time`` is how long the API held its requests, in seconds.
    """

    scene: Scene
    calls: tuple[ObservedCall, ...]
    staged_agents: tuple[str, ...]
    request_fields: Mapping[str, Any]
    closed_requests: int
    ended_calls: int
    breaker: tuple[BreakerState, ...]
    warm_up_time: float = 0.0

    @property
    def differences(self) -> list[str]:
        """What did not go as expected, one sentence each; empty if all is well."""
        return [
            f"{subject} {_in_words(observed)} instead of {_in_words(expected)}"
            for subject, observed, expected in self._checks()
            if observed != expected
        ]

    def _checks(self) -> Iterator[Check]:
        scene = self.scene
        several = len(scene.calls) > 1
        for ordinal, (script, call) in enumerate(zip(scene.calls, self.calls, strict=True), 1):
            for subject, observed, expected in _call_checks(script, call):
                yield f"in call {ordinal} {subject}" if several else subject, observed, expected
        yield "the API was asked to stage agents", self.staged_agents, scene.staged_agents
        yield "the API received", self.request_fields, dict(scene.request_fields)
        yield "API requests that were closed:", self.closed_requests, scene.closed_requests
        yield "staged calls that were ended:", self.ended_calls, scene.ended_calls
        yield "the circuit breaker became", self.breaker, scene.breaker
        yield "two calls were answered with the staged id", self._shared_id(), ""

    def _shared_id(self) -> str:
        """Return a staged id with which two calls were answered."""
        used = [call.staged_ids[-1] for call in self.calls if call.staged_ids]
        return next((one for one in used if one and used.count(one) > 1), "")


def _call_checks(script: ScriptedCall, call: ObservedCall) -> Iterator[Check]:
    report = call.report
    statuses = tuple(one.status for one in report.provisional)
    dialogs = {one.tag for one in report.provisional}
    yield "the caller got", report.final, script.final
    yield "the caller heard", statuses, script.provisional
    yield "early dialogs:", len(dialogs), len(statuses)
    rang = report.rang_after
    if rang is not None and rang < script.silent_for - _CLOCK_RESOLUTION:
        yield "it rang after", f"{rang:.2f} s", f"{script.silent_for:g} s or more"
    if script.contact is not None:
        yield "the response's Contact was", report.contact, script.contact
    if script.retry_after is not None:
        yield "the response's Retry-After was", report.retry_after, script.retry_after
    yield "the INVITE reached", call.reached, script.reaches
    yield "the cause was", call.cause, script.cause
    yield "the treatments were", call.treatments, script.treatments


def _in_words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    return "nothing" if value in (None, "") else str(value)
