"""The script of the demo: chapters, scenes, calls, and the outcome that each must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sip_stager.demo.caller import NUMBER
from sip_stager.demo.endpoint import HOST
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.model.call import Cause
from sip_stager.model.vocabulary import BreakerState, TreatmentKind

AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
SECOND_AGENT = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
SECOND_ADDRESS = "127.0.0.2"
"""The carrier's other address."""

QUEUE_URI, NOW, LATER = "<queue>", "<now>", "<later>"
"""Placeholders in settings: the URI of the queue, two hours around now, and two later hours."""
ZONE = "Europe/Paris"

STAGED, COLD, QUEUE = "the staged agent", "a cold agent", "the queue"
STANDBY = "the staged agent, at the second address"
"""The places that an INVITE can reach: an agent with a staged id, one without, or the queue."""

FirstAddress = Literal["", "challenged", "refused", "ignored"]
"""How the platform's first address treats a call; empty if it accepts the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """One call, and the outcome that it must have on each side.

    What the caller does:

    - ``pause``: seconds before the call.  It waits for the calls before it, unless it is
      ``concurrent``.
    - ``api``: a new behaviour of the API from this call on; ``api_down`` stops the API for its
      duration.
    - ``cancel_after``: seconds until the caller cancels an unanswered call.
    - ``talk_time``: seconds until the caller hangs up an answered call.

    The expected result:

    - ``final``, ``contact``, ``retry_after``: the final response; the latter two if they matter.
    - ``provisional``: the statuses before it, each in an early dialog of its own.
    - ``silent_for``: at least so many seconds before the first of them.
    - ``reaches``: the destination of each INVITE.
    - ``cause``: why the call was not staged; ``treatments``: what the policy did then, unless the
      call was refused.
    """

    caller: str = NUMBER
    address: str = HOST
    fields: tuple[str, ...] = ()
    pause: float = 0.0
    concurrent: bool = False
    api: Behaviour | None = None
    api_down: bool = False
    cancel_after: float | None = None
    talk_time: float = 5.0

    final: str = "200 OK"
    contact: str | None = None
    retry_after: str | None = None
    provisional: tuple[int, ...] = (180,)
    silent_for: float = 0.0
    reaches: tuple[str, ...] = (STAGED,)
    cause: Cause | None = None
    treatments: tuple[TreatmentKind, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A few calls to one number, and the outcome that they must have.

    How it is set up:

    - ``number``: the number in [[numbers]]; ``dialled``: the number that is called, if ``number``
      is a prefix.
    - ``settings``: more keys of that table.
    - ``behaviour``: how the API answers for this number, ``agents``: for these agents.  With
      ``recovers`` the API works again as soon as it is asked a second time.
    - ``first_address``: how the platform's first address treats the calls.

    Printed texts: ``about`` before the calls; ``outcome`` after them, with measured values in
    braces; ``softphone_hint`` for users who dial the number themselves.

    The expected result:

    - ``staged_agents``: the agents that the API was asked for, in order.
    - ``request_fields``: fields of the last staging request.
    - ``closed_requests``: requests that were closed before their answer.
    - ``ended_calls``: staged calls that were ended at the API, ``settle_time`` seconds after the
      last call.
    - ``breaker``: the states that the circuit breaker entered.
    """

    name: str
    title: str
    about: str
    outcome: str
    number: str
    dialled: str = ""
    softphone_hint: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    behaviour: Behaviour | None = None
    agents: Mapping[str, Behaviour] = field(default_factory=dict)
    recovers: bool = False
    first_address: FirstAddress = ""

    calls: tuple[ScriptedCall, ...] = (ScriptedCall(),)
    staged_agents: tuple[str, ...] = (AGENT,)
    request_fields: Mapping[str, Any] = field(default_factory=dict)
    closed_requests: int = 0
    ended_calls: int = 0
    settle_time: float = 0.1
    breaker: tuple[BreakerState, ...] = ()

    @property
    def called_number(self) -> str:
        """The number that the callers dial."""
        return self.dialled or self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Scenes that share one running proxy.

    ``api`` and ``upstream`` are the settings of those tables; with ``upstream`` settings the
    platform has a second address.  Agents ring for ``ring_time`` seconds and talk for
    ``talk_time``.
    """

    name: str
    title: str
    about: str = ""
    api: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[str, Any] = field(default_factory=dict)
    scenes: tuple[Scene, ...]
    ring_time: float = 0.1
    talk_time: float = 0.1
