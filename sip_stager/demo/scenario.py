"""The calls of the demo: what each is to show, and what must come of it."""

from __future__ import annotations

from dataclasses import dataclass

from sip_stager.demo.behaviour import Behaviour

DEADLINE = 4.0
"""Seconds that staging may take, as it is by default."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One call.

    ``number`` is dialled, and ``dialled`` says what comes of it; ``behaviour`` is how the API takes
    it, and ``api_down`` stops the API before.  ``status`` is the final response that the caller
    must get, and ``cause`` the reason for a refusal.  ``cancel_after`` is the caller's patience
    until an answer and ``talks`` his eloquence after it, in seconds.
    """

    title: str
    about: str
    dialled: str
    number: str
    status: int
    behaviour: Behaviour
    cause: str = ""
    api_down: bool = False
    cancel_after: float | None = None
    talks: float = 5.0


SCENES = (
    Scene(
        "a good call",
        "The agent is warm in 150 ms; only then does the INVITE go on, with the id that leads to "
        "it. The agent hangs up.",
        "rings after 0.15 s, is answered",
        "+33612345678",
        200,
        Behaviour(delay=0.15),
    ),
    Scene(
        "a slow agent",
        "The agent needs 1.5 s. Nothing rings into the void: the call is held for as long, and "
        "then the agent is there at once. The caller hangs up.",
        "rings after 1.5 s, is answered",
        "+33612345679",
        200,
        Behaviour(delay=1.5),
        talks=0.3,
    ),
    Scene(
        "the caller gives up",
        "The caller hangs up while the agent warms up. The caller is answered at once, the API is "
        "told by a closed connection, and the agent never hears of the call.",
        "needs 3 s to warm up: hang up before",
        "+33612345680",
        487,
        Behaviour(delay=3.0),
        cancel_after=0.5,
    ),
    Scene(
        "the API is down",
        "No agent can be staged. The caller is refused at once, with the reason, so that the "
        "trunk can try elsewhere.",
        "the API drops the connection: 503",
        "+33612345681",
        503,
        Behaviour(fault="hang_up"),
        cause="unreachable",
        api_down=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What each side saw of a call.

    ``status`` and ``rings_after`` (seconds) are the caller's; ``given`` is the id that the API
    gave after ``warming`` seconds; ``at_agent`` the one that the agent got, None where no INVITE
    reached it; ``cause`` is why the call was refused.
    """

    scene: Scene
    status: int
    rings_after: float | None
    over_after: float
    warming: float
    given: str
    at_agent: str | None
    cause: str
    requests_closed: int

    @property
    def differences(self) -> list[str]:
        """What did not go as expected, in words; empty where all is well."""
        scene = self.scene
        found = []
        if self.status != scene.status:
            found.append(f"the caller got {self.status or 'no answer'} instead of {scene.status}")
        if self.cause != scene.cause:
            found.append(f"the refusal's cause is {self.cause!r} instead of {scene.cause!r}")
        if scene.status == 200:
            found += self._staging_missed()
        elif self.at_agent is not None:
            found.append("the INVITE reached the agent although it was not staged")
        if scene.cancel_after is not None and not self.requests_closed:
            found.append("the request to the API was not closed")
        return found

    def _staging_missed(self) -> list[str]:
        found = []
        if self.rings_after is None or self.rings_after < self.scene.behaviour.delay:
            found.append("it did not ring, or rang before the agent was warm")
        if not self.given or self.at_agent != self.given:
            found.append(f"the agent got the id {self.at_agent!r}, the API gave {self.given!r}")
        return found
