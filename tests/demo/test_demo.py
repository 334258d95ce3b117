from __future__ import annotations

import re
import signal
import subprocess
import sys
from dataclasses import replace

import pytest

from sip_stager.demo.agent import Agent
from sip_stager.demo.behaviour import Behaviour
from sip_stager.demo.caller import Caller
from sip_stager.demo.play import perform
from sip_stager.demo.scenario import SCENES, Result
from sip_stager.demo.site import Site, Witness

COMMAND = [sys.executable, "-m", "sip_stager", "demo"]
GOOD, SLOW, CANCELLED, DOWN = SCENES
FINE = Result(GOOD, 200, 0.2, 0.5, 0.15, "c-1", "c-1", "", 0)


@pytest.fixture(scope="module")
def printed() -> str:
    """What a user sees who pipes the demo into something."""
    ended = subprocess.run(COMMAND, check=False, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def _ladder(printed: str, call: int) -> list[str]:
    """The texts on the arrows of a call, in their order."""
    lines = [line for line in printed.splitlines() if line.startswith(f"#{call} ")]
    return [" ".join(re.sub(r"[│─◀▶]", " ", line[12:]).split()) for line in lines]


def test_a_good_call_is_staged_forwarded_and_hung_up_by_the_agent(printed: str) -> None:
    steps = _ladder(printed, 1)
    assert steps[:3] == ["INVITE +33612345678", "100 Trying", "POST /v1/calls/stage"]
    assert steps[3].startswith("201 staged ")
    assert steps[4].startswith("INVITE X-Rounded-Call-Id: ")
    assert steps[5:7] == ["180 Ringing"] * 2
    assert steps[-4:] == ["BYE caller"] * 2 + ["200 OK (BYE)"] * 2


def test_a_slow_call_rings_when_the_agent_is_warm(printed: str) -> None:
    (after,) = re.findall(r"^#2 +([\d.]+) │[^│]*180 Ringing", printed, re.MULTILINE)
    assert float(after) >= 1490
    assert _ladder(printed, 2)[-4:] == ["BYE agent"] * 2 + ["200 OK (BYE)"] * 2


def test_a_cancelled_call_never_reaches_the_agent(printed: str) -> None:
    steps = _ladder(printed, 3)
    assert "487 Request Terminated" in steps
    assert "closed: cancelled" in steps
    assert not any("X-Rounded-Call-Id" in step for step in steps)


def test_a_call_without_an_api_is_refused_with_the_reason(printed: str) -> None:
    assert "503 Service Unavailable" in _ladder(printed, 4)
    assert "knows why: unreachable" in printed


def test_the_summary_has_a_verdict_on_each_call_and_says_what_to_do_next(printed: str) -> None:
    summary = printed.partition("Summary")[2]
    for scene in SCENES:
        assert re.search(rf"{scene.title} .* as expected", summary), summary
    assert "--keep" in summary


def test_a_pipe_gets_no_control_codes_and_no_line_above_eighty_columns(printed: str) -> None:
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_with_keep_it_says_what_to_dial_and_ends_cleanly_when_interrupted() -> None:
    with subprocess.Popen(
        [*COMMAND, "--keep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout
            assert program.stderr
            lines = []
            while line := program.stdout.readline():
                lines.append(line)
                if "Ctrl-C ends it" in line:
                    break
            assert re.search(r"sip:\+33612345678@127\.0\.0\.1:\d+", "".join(lines))
            assert "/metrics" in lines[-1]
            program.send_signal(signal.SIGINT)
            rest, errors = program.communicate(timeout=20)
        finally:
            program.kill()
    assert (program.returncode, errors) == (0, "")
    assert "Stopped" in rest


@pytest.mark.parametrize(
    ("result", "difference"),
    [
        (replace(FINE, status=503), "the caller got 503 instead of 200"),
        (replace(FINE, status=0), "no answer instead of 200"),
        (replace(FINE, cause="refused"), "cause is 'refused'"),
        (replace(FINE, rings_after=None), "it did not ring"),
        (replace(FINE, rings_after=0.1), "rang before the agent was warm"),
        (replace(FINE, at_agent="c-2"), "the agent got the id 'c-2'"),
        (replace(FINE, scene=CANCELLED, status=487), "not staged"),
        (replace(FINE, scene=CANCELLED, status=487), "not closed"),
    ],
)
def test_what_differs_is_said(result: Result, difference: str) -> None:
    assert difference in "; ".join(result.differences)


def test_nothing_differs_in_a_call_that_went_as_expected() -> None:
    assert FINE.differences == []


async def test_a_call_that_goes_another_way_is_found_out() -> None:
    witness = Witness()
    async with Site([witness]) as site:
        site.api.by[GOOD.number] = Behaviour(status=500)
        result = await perform(GOOD, site, witness)
    assert result.differences[0] == "the caller got 503 instead of 200"
    assert result.cause == "refused"


async def test_the_agent_refuses_a_call_that_was_not_staged() -> None:
    async with Agent() as agent, Caller(agent.port) as caller:
        heard = await caller.call("+33612345678")
    assert heard.status == 403
    assert list(agent.seen.values()) == [""]


async def test_the_agent_stops_ringing_when_the_caller_cancels() -> None:
    witness = Witness()
    scene = replace(GOOD, status=487, cancel_after=0.4, behaviour=Behaviour())
    async with Site([witness]) as site:
        site.agent.rings = 5.0
        site.api.by[GOOD.number] = scene.behaviour
        result = await perform(scene, site, witness)
    assert result.status == 487
    assert result.at_agent == result.given != ""


async def test_the_api_serves_again_after_it_was_down() -> None:
    witness = Witness()
    async with Site([witness]) as site:
        down = await perform(DOWN, site, witness)
        again = await perform(GOOD, site, witness)
    assert (down.differences, again.differences) == ([], [])
