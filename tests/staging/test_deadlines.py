"""The deadlines of tasks, and whether a caller is still there when two ends come together."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sip_stager.staging.deadlines import Deadline, Deadlines, EndedBy

if TYPE_CHECKING:
    from collections.abc import Callable


class Held:
    """A task that waits for ever, and what it found out when it was cancelled."""

    def __init__(self, deadlines: Deadlines, after: float = 60.0) -> None:
        self._deadlines, self._after = deadlines, after
        self.ended: list[tuple[bool, EndedBy | None]] = []
        self.task = asyncio.get_running_loop().create_task(self._run())
        self.deadline: Deadline

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self.deadline = self._deadlines.start(loop.time() + self._after, self.task)
        try:
            await asyncio.sleep(600)
        except asyncio.CancelledError:
            self.ended.append((self.deadline.caller_is_there, self.deadline.ended_by))
        finally:
            self._deadlines.discard(self.deadline)


async def test_a_task_is_cancelled_at_its_deadline() -> None:
    deadlines, loop = Deadlines(), asyncio.get_running_loop()
    began = loop.time()
    late, early = Held(deadlines, 0.06), Held(deadlines, 0.03)
    await early.task
    assert loop.time() - began >= 0.025
    assert early.ended == [(True, EndedBy.TIMEOUT)]
    assert late.ended == []
    await late.task
    assert loop.time() - began >= 0.055
    assert late.ended == [(True, EndedBy.TIMEOUT)]


def hang_up(_: Deadlines, held: Held) -> None:
    held.task.cancel()


def time_out(deadlines: Deadlines, _: Held) -> None:
    deadlines.end_all(EndedBy.TIMEOUT)


def stop(deadlines: Deadlines, _: Held) -> None:
    deadlines.end_all(EndedBy.STOP)


@pytest.mark.parametrize(
    ("ends", "caller_is_there", "ended_by"),
    [
        ([hang_up], False, None),
        ([time_out], True, EndedBy.TIMEOUT),
        ([stop], True, EndedBy.STOP),
        ([time_out, stop], True, EndedBy.TIMEOUT),
        ([stop, time_out], True, EndedBy.STOP),
        ([time_out, hang_up], False, EndedBy.TIMEOUT),
        ([hang_up, time_out], False, EndedBy.TIMEOUT),
        ([stop, hang_up], False, EndedBy.STOP),
        ([hang_up, stop], False, EndedBy.STOP),
    ],
)
async def test_a_caller_who_hung_up_is_gone_whatever_else_ends_the_task_in_the_same_turn(
    ends: list[Callable[[Deadlines, Held], None]],
    ended_by: EndedBy | None,
    *,
    caller_is_there: bool,
) -> None:
    deadlines = Deadlines()
    held = Held(deadlines)
    await asyncio.sleep(0)
    for end in ends:
        end(deadlines, held)
    await held.task
    assert held.ended == [(caller_is_there, ended_by)]


async def test_a_task_that_ended_is_not_cancelled_and_not_referred_to() -> None:
    deadlines = Deadlines()
    held = Held(deadlines, 0.02)
    await asyncio.sleep(0)
    deadlines.discard(held.deadline)
    await asyncio.sleep(0.05)
    assert not held.task.done()
    assert held.deadline.task is None
    assert len(deadlines._heap) == deadlines._heap.entries == 0
    held.task.cancel()
    await held.task
    assert held.ended == [(False, None)]
