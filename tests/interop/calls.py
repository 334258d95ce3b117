"""The calls of tests that are about something else, and what became of them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.interop.silent_upstream import Silence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.message_trace import Traced
    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

TALKS = "INVITE; < 100; < 180?; < 200; ACK; BYE; < 200"
ANSWERS = "< INVITE; 200; < ACK; < BYE; 200"
GIVES_UP = "INVITE; < 100; CANCEL; < 200; < 487; ACK"


def number(index: int) -> str:
    """Return one of 100 numbers, for tests that share a program and not what it keeps."""
    return f"+336123457{index:02}"


def row(number: str, agent: str, **policy: object) -> tuple[str, dict[str, object]]:
    """Return a row of the mapping, for ``ProgramSettings.tables``."""
    return "[[numbers]]", {"number": number, "agent": agent, "policy": policy}


def put_through(scene: Scene, script: str = TALKS, *, which: int = 0, **options: Any) -> Traced:
    """Place a call that a callee answers; return the INVITE that came to him."""
    callee = scene.callee(ANSWERS, which=which)
    scene.caller(script, **options).finish()
    callee.finish()
    (invite,) = callee.received("INVITE")
    return invite


def refused(scene: Scene, status: int, script: str = "", **options: Any) -> Traced:
    """Place a call that is refused and comes to nobody; return the refusal."""
    with Silence(scene.upstream) as upstream:
        caller = scene.caller(script or f"INVITE; < 100; < 180?; < {status}; ACK", **options)
        caller.finish()
        upstream.check()
    (refusal,) = caller.received(str(status))
    return refusal


def staged_id(invite: Traced) -> str:
    """Return the one id that an INVITE brought."""
    (call_id,) = invite.values("X-Rounded-Call-Id")
    return call_id


def stagings(scene: Scene) -> int:
    """Return how many the API was asked for so far."""
    count: int = scene.api.stats()["stage_requests"]
    return count


@contextmanager
def asked(scene: Scene, times: int = 1) -> Iterator[None]:
    """The API is asked so often to stage a call meanwhile."""
    before = stagings(scene)
    yield
    assert stagings(scene) == before + times


@contextmanager
def counted(scene: Scene, name: str, times: int = 1, **labels: str) -> Iterator[None]:
    """A metric grows so much meanwhile."""
    before = scene.program.metric(name, **labels)
    yield
    assert scene.program.metric(name, **labels) == before + times


def call_id(message: Traced) -> str:
    """Return the Call-ID, which is the call's name in the log, too."""
    (value,) = message.values("Call-ID")
    return value


def told(scene: Scene, invite: Traced) -> dict[str, Any]:
    """Return what the API was told of the call that an INVITE brought the id of."""
    return scene.api.record(staged_id(invite))


def play(road: Scene, caller: str, callee: str) -> tuple[Sipp, Sipp]:
    """Play both scripts to their end; the one new call was staged once, and its id came once."""
    before = stagings(road)
    upstream = road.callee(callee)
    trunk = road.caller(caller)
    trunk.finish()
    upstream.finish()
    assert stagings(road) == before + 1
    assert_one_id(upstream)
    assert_same_hops(trunk, upstream)
    return trunk, upstream


def assert_one_id(callee: Sipp) -> None:
    """The INVITE that began the call brought the one id, and nothing else of the call did."""
    requests = [each for each in callee.messages() if not each.sent and each.method.isalpha()]
    ids = [each.values("X-Rounded-Call-Id") for each in requests]
    assert [len(each) for each in ids] == [1] + [0] * (len(ids) - 1)


def assert_same_hops(caller: Sipp, callee: Sipp) -> None:
    """Each proxy put one Via on each request, and took it off the answer."""
    for method in ("PRACK", "UPDATE", "BYE"):
        for request in callee.received(method)[:1]:
            assert len(request.values("Via")) == len(vias(callee.received("INVITE")))
    for answer in caller.received("200"):
        assert len(answer.values("Via")) == 1


def vias(messages: list[Traced]) -> list[str]:
    """Return the Via values of the first message."""
    return messages[0].values("Via") if messages else []
