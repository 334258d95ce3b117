"""What was seen of a scene on each side, and what of it is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sip_stager.demo.caller import Heard
    from sip_stager.demo.scene import Act, Scene

_STEP = 0.002  # seconds; timers have steps of a millisecond

Fact = tuple[str, Any, Any]
"""What a fact is about, how it was seen, and how it should be."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was seen of one call.

    ``reached`` says whom each of its INVITEs reached, and ``ids`` with which
    ``X-Rounded-Call-Id``; ``cause`` and ``treated`` are what the proxy reported.
    """

    heard: Heard
    reached: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    cause: str = ""
    treated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What was seen of a scene; the fields are named as in ``Scene``.

    ``warming`` is how long the API held its requests, in seconds.
    """

    scene: Scene
    calls: tuple[Call, ...]
    asked: tuple[str, ...]
    told: Mapping[str, Any]
    closed: int
    ended: int
    breaker: tuple[str, ...]
    warming: float = 0.0

    @property
    def differences(self) -> list[str]:
        """What did not go as expected, in words; empty where all is well."""
        return [
            f"{what} {_worded(seen)} instead of {_worded(wanted)}"
            for what, seen, wanted in self._facts()
            if seen != wanted
        ]

    def _facts(self) -> Iterator[Fact]:
        scene = self.scene
        several = len(scene.acts) > 1
        for ordinal, (act, call) in enumerate(zip(scene.acts, self.calls, strict=True), 1):
            for what, seen, wanted in _facts(act, call):
                yield f"in call {ordinal} {what}" if several else what, seen, wanted
        yield "the API was asked for the agents", self.asked, scene.asked
        yield "the API was told", self.told, dict(scene.told)
        yield "of the requests to the API there were closed", self.closed, scene.closed
        yield "of the staged calls there were ended", self.ended, scene.ended
        yield "the circuit breaker became", self.breaker, scene.breaker
        yield "there was an id used by two calls:", self._shared_id(), ""

    def _shared_id(self) -> str:
        """Find an id with which two calls were answered."""
        used = [call.ids[-1] for call in self.calls if call.ids and call.ids[-1]]
        return next((one for one in used if used.count(one) > 1), "")


def _facts(act: Act, call: Call) -> Iterator[Fact]:
    heard = call.heard
    statuses = tuple(one.status for one in heard.provisional)
    dialogs = {one.tag for one in heard.provisional}
    yield "the caller got", heard.final, act.final
    yield "the caller heard", statuses, act.hears
    yield "there were early dialogs:", len(dialogs), len(statuses)
    if heard.rings_after is not None and heard.rings_after < act.silent_for - _STEP:
        yield "it rang after", f"{heard.rings_after:.2f} s", f"{act.silent_for:g} s or more"
    if act.contact is not None:
        yield "the response's Contact was", heard.contact, act.contact
    if act.retry_after is not None:
        yield "the response's Retry-After was", heard.retry_after, act.retry_after
    yield "the INVITE reached", call.reached, act.reaches
    yield "the cause was", call.cause, act.cause
    yield "the call was treated with", call.treated, act.treated


def _worded(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    return str(value) or "nothing"
