"""Calls for tests of something else, and checks of their results."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.interop.silent_upstream import SilentUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.interop.message_trace import TracedMessage
    from tests.interop.scene import Scene
    from tests.interop.sipp import Sipp

TALKS = "INVITE; < 100; < 180?; < 200; ACK; BYE; < 200"
ANSWERS = "< INVITE; 200; < ACK; < BYE; 200"
CANCELS = "INVITE; < 100; CANCEL; < 200; < 487; ACK"


def number(index: int) -> str:
    """Return one of 100 numbers: tests that share a program must not share what it keeps."""
    return f"+336123457{index:02}"


def number_row(number: str, agent: str, **policy: object) -> tuple[str, dict[str, object]]:
    """Return an entry of [[numbers]] for ``ProgramSettings.tables``."""
    return "[[numbers]]", {"number": number, "agent": agent, "policy": policy}


def place_answered_call(
    scene: Scene, script: str = TALKS, *, which: int = 0, **options: Any
) -> TracedMessage:
    """Place a call that a callee answers; return the INVITE that it received."""
    callee = scene.callee(ANSWERS, which=which)
    scene.caller(script, **options).finish()
    callee.finish()
    (invite,) = callee.received("INVITE")
    return invite


def place_refused_call(
    scene: Scene, status: int, script: str = "", **options: Any
) -> TracedMessage:
    """Place a call that is refused and not forwarded; return the refusal."""
    with SilentUpstream(scene.upstream) as upstream:
        caller = scene.caller(script or f"INVITE; < 100; < 180?; < {status}; ACK", **options)
        caller.finish()
        upstream.assert_nothing_received()
    (refusal,) = caller.received(str(status))
    return refusal


def staged_id(invite: TracedMessage) -> str:
    """Return the only staged id of an INVITE."""
    (call_id,) = invite.values("X-Rounded-Call-Id")
    return call_id


def stage_request_count(scene: Scene) -> int:
    """Return how many calls the API was asked to stage so far."""
    count: int = scene.api.stats()["stage_requests"]
    return count


@contextmanager
def expect_stage_requests(scene: Scene, times: int = 1) -> Iterator[None]:
    """Assert how many calls the API is asked to stage within the block."""
    before = stage_request_count(scene)
    yield
    assert stage_request_count(scene) == before + times


@contextmanager
def expect_metric(scene: Scene, name: str, times: int = 1, **labels: str) -> Iterator[None]:
    """Assert by how much a metric grows within the block."""
    before = scene.program.metric(name, **labels)
    yield
    assert scene.program.metric(name, **labels) == before + times


def call_id(message: TracedMessage) -> str:
    """Return the Call-ID, which is also the call's id in the log."""
    (value,) = message.values("Call-ID")
    return value


def staged_request(scene: Scene, invite: TracedMessage) -> dict[str, Any]:
    """Return the API's record of a call, which has the fields of the request that staged it."""
    return scene.api.record(staged_id(invite))


def play_both(scene: Scene, caller: str, callee: str) -> tuple[Sipp, Sipp]:
    """Play both scripts to their end; assert that the call was staged and got one id."""
    before = stage_request_count(scene)
    upstream = scene.callee(callee)
    trunk = scene.caller(caller)
    trunk.finish()
    upstream.finish()
    assert stage_request_count(scene) == before + 1
    assert_one_id(upstream)
    assert_same_hops(trunk, upstream)
    return trunk, upstream


def assert_one_id(callee: Sipp) -> None:
    """Assert that only the first INVITE of the call has a staged id."""
    requests = [each for each in callee.messages() if not each.sent and each.method.isalpha()]
    ids = [each.values("X-Rounded-Call-Id") for each in requests]
    assert [len(each) for each in ids] == [1] + [0] * (len(ids) - 1)


def assert_same_hops(caller: Sipp, callee: Sipp) -> None:
    """Assert that each proxy added one Via to requests and removed it from responses."""
    for method in ("PRACK", "UPDATE", "BYE"):
        for request in callee.received(method)[:1]:
            assert len(request.values("Via")) == len(vias(callee.received("INVITE")))
    for answer in caller.received("200"):
        assert len(answer.values("Via")) == 1


def vias(messages: list[TracedMessage]) -> list[str]:
    """Return the Via values of the first message."""
    return messages[0].values("Via") if messages else []
