"""A restart under load, in which the new process takes over from the old one."""

from __future__ import annotations

import csv
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.interop.ports import free_port
from tests.interop.program import NUMBER
from tests.interop.sipp import Sipp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop

RATE = 100  # new calls per second
CALLS = 12 * RATE
STAGING, RINGING, DURATION = 0.5, 0.7, 3.0  # seconds
SLOW = 3200  # milliseconds: staging, ringing, and two seconds more


class LoadPeer(Sipp):
    """SIPp as one side of the load."""

    def __init__(self, scenario: str, folder: Path, port: int, *options: str) -> None:
        self._file = folder / f"{scenario}.csv"
        tuning = ("-timer_resol", "1", "-buff_size", "4194304", "-deadcall_wait", "4000")
        statistics = ("-trace_stat", "-stf", str(self._file), "-f", "60")
        super().__init__(
            scenario,
            folder,
            port=port,
            calls=CALLS,
            timeout=120,
            trace=False,
            options=(*tuning, *statistics, *options),
        )

    def count(self, column: str) -> int:
        """Return one of SIPp's counters; call it once SIPp has ended."""
        with self._file.open(newline="") as file:
            return int(list(csv.DictReader(file, delimiter=";"))[-1][column])


def test_a_restart_with_a_takeover_costs_no_call(scene: Scene, tmp_path: Path) -> None:
    """None is refused, none lost, every BYE passes, and 99 of 100 are set up in time.

    SIPp may repeat messages, as on any network; ``report`` has how many.
    """
    scene.start(
        api={"delay": STAGING},
        limits={"drain_timeout": 30},
        log_level="info",
        policy={"ringing": "180", "ringing_delay": 0.1},
    )
    callee = LoadPeer(
        "restart_callee", tmp_path, scene.upstream[1], "-d", str(round(1000 * RINGING))
    )
    callee.wait_bound()
    numbers = tmp_path / "callers.csv"
    numbers.write_text(f"SEQUENTIAL,PRINTF={CALLS}\n+3367%07d;\n")
    caller = LoadPeer(
        "restart_caller",
        tmp_path,
        free_port(),
        *(scene.program.target, "-s", NUMBER, "-d", str(round(1000 * DURATION))),
        *("-r", str(RATE), "-l", str(CALLS), "-inf", str(numbers)),
    )
    time.sleep(5)  # calls in every phase: being staged, ringing, up, hanging up
    old = scene.take_over()
    try:
        caller.finish(60)
        callee.finish(30)
    finally:
        caller.stop()
        callee.stop()
    assert old.wait(60) == 0
    repeated = caller.count("Retransmissions(C)") + callee.count("Retransmissions(C)")
    slow = sum(caller.count(f"ResponseTimeRepartition1_{each}") for each in ("<6400", ">=6400"))
    report = f"{CALLS} calls, {repeated} repetitions, {slow} slow ones"
    assert caller.count("SuccessfulCall(C)") == CALLS, report
    assert caller.count("FailedCall(C)") == 0
    assert slow < CALLS / 100, report
    (tmp_path / "report").write_text(report)
    for program in (old, scene.program):
        assert program.errors() == []
        assert len(program.logged("call_ended", status=200, cause="hung_up")) > RATE
        assert program.logged("call_refused") == []
    assert old.logged("handed_over")
    assert scene.program.logged("took_over")


def test_a_process_that_was_taken_over_ends_at_the_second_signal(scene: Scene) -> None:
    scene.start()
    old = scene.take_over()
    old.wait_logged("handed_over")
    old.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert old.exit_code is None  # it finishes its calls, as it was about to
    old.signal(signal.SIGTERM)
    assert old.wait(10) == 0
    callee = scene.callee("< INVITE; 200; < ACK; < BYE; 200")
    scene.caller("INVITE; < 100; < 200; ACK; BYE; < 200").finish()
    callee.finish()


def test_a_process_serves_again_if_its_successor_is_killed(scene: Scene) -> None:
    scene.start()
    old = scene.take_over()
    old.wait_logged("handed_over")
    scene.program.kill()
    old.wait_logged("taken_back")
    callee = scene.callee("< INVITE; 200; < ACK; < BYE; 200")
    scene.caller("INVITE; < 100; < 200; ACK; BYE; < 200").finish()
    callee.finish()
    assert old.exit_code is None
    scene.take_over()


def test_a_call_over_tcp_is_finished_by_the_process_that_has_its_connection(scene: Scene) -> None:
    """A connection stays where it is, so the 200 and the ACK pass on it."""
    scene.start(limits={"drain_timeout": 20})
    callee = scene.callee("< INVITE; 180; ~1500; 200; < ACK; < BYE; 200")
    caller = scene.caller("INVITE; < 100; < 180; < 200; ACK; ~200; BYE; < 200", transport="tcp")
    caller.wait_received("180")
    old = scene.take_over()
    caller.finish()
    callee.finish()
    old.wait_logged("call_ended", cause="hung_up", status=200)
