"""What a scene of the demo is: its calls, and what must come of them on each side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sip_stager.demo.caller import NUMBER
from sip_stager.demo.endpoint import HOST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.demo.fake_platform.behaviour import Behaviour

AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
SECOND_AGENT = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
SECOND_ADDRESS = "127.0.0.2"
"""The other address of the carrier."""

QUEUE_URI, NOW, LATER = "<queue>", "<now>", "<later>"
"""Stand in settings for the address of the queue, two hours that it is, and two that it is not."""
ZONE = "Europe/Paris"

STAGED, COLD, QUEUE = "the staged agent", "a cold agent", "the queue"
STANDBY = "the staged agent by way of the other address"
"""Whom an INVITE may reach: an agent by the id that the API gave, or without any, or people."""

First = Literal["", "guarded", "refused", "ignored"]
"""What the platform's first address does with a call, unless it takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One call, and what must come of it at both ends.

    The caller waits ``pause`` seconds before it, and places it after the one before is over,
    unless it is ``beside`` that one.  ``api`` is how the API takes it, where that changes, and
    ``api_down`` stops the API meanwhile.  ``cancel_after`` is the caller's patience until an answer
    and ``talks`` his eloquence after it, in seconds.

    ``final`` is what he must get, ``hears`` the statuses of what he must hear before, each in an
    early dialog of its own, and ``silent_for`` the seconds before the first of them.  ``reaches``
    says whom its INVITEs reach, ``cause`` why the call was not staged, and ``treated`` what was
    done about it, unless it was refused.
    """

    caller: str = NUMBER
    address: str = HOST
    fields: tuple[str, ...] = ()
    pause: float = 0.0
    beside: bool = False
    api: Behaviour | None = None
    api_down: bool = False
    cancel_after: float | None = None
    talks: float = 5.0

    final: str = "200 OK"
    contact: str | None = None
    retry_after: str | None = None
    hears: tuple[int, ...] = (180,)
    silent_for: float = 0.0
    reaches: tuple[str, ...] = (STAGED,)
    cause: str = ""
    treated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A few calls to one number, and what must come of them.

    ``number`` is mapped, and ``dialled`` where it is a prefix; ``promised`` says what a call of the
    user's own gets.
    ``about`` says before what is to be seen, ``shown`` afterwards what was; it may name what was
    measured.  ``settings`` are more of the number's in [[numbers]]; ``behaviour`` is how the API
    takes its calls, and ``agents`` how it takes those for an agent.  It ``recovers`` as soon as it
    is asked again.  ``first`` is for the platform's own first address.

    The API must be ``asked`` for these agents, one after another; what it was ``told`` of the last
    call holds this.  So many of its requests are ``closed`` unanswered, and so many staged calls
    ``ended`` by ``rests`` seconds after the last call.  ``breaker`` holds each state that the
    circuit breaker came to.
    """

    name: str
    title: str
    about: str
    shown: str
    number: str
    dialled: str = ""
    promised: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    behaviour: Behaviour | None = None
    agents: Mapping[str, Behaviour] = field(default_factory=dict)
    recovers: bool = False
    first: First = ""

    acts: tuple[Act, ...] = (Act(),)
    asked: tuple[str, ...] = (AGENT,)
    told: Mapping[str, Any] = field(default_factory=dict)
    closed: int = 0
    ended: int = 0
    rests: float = 0.1
    breaker: tuple[str, ...] = ()

    @property
    def called(self) -> str:
        """The number that its callers dial."""
        return self.dialled or self.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """Scenes that share a running proxy; ``api`` and ``upstream`` are its settings of that name.

    Where there are such of the latter, the platform has two addresses.  Agents ring for ``rings``
    seconds and talk for ``talks``.
    """

    name: str
    title: str
    about: str = ""
    api: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[str, Any] = field(default_factory=dict)
    scenes: tuple[Scene, ...]
    rings: float = 0.1
    talks: float = 0.1
