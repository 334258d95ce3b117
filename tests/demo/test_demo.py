from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sip_stager.demo.agent import Agent
from sip_stager.demo.caller import Caller, Heard, Provisional
from sip_stager.demo.chapters import CHAPTERS, NAMES, TOUR, chosen
from sip_stager.demo.credentials import credentials, proven
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import AGENT, COLD, SECOND_AGENT, STAGED, Act, Chapter, Scene
from sip_stager.demo.scene_result import Call, Result
from sip_stager.demo.scene_runner import Witness, perform
from sip_stager.demo.testbed import Site

if TYPE_CHECKING:
    from typing import Any

COMMAND = [sys.executable, "-m", "sip_stager", "demo"]
GOOD, SLOW, CANCELLED, DOWN = TOUR.scenes
RANG = Provisional(180, 0.2, b"agent")
CALL = Call(Heard("1@caller", "200 OK", (RANG,), 0.5), (STAGED,), ("c-1",))
FINE = Result(GOOD, (CALL,), (AGENT,), {}, 0, 0, (), 0.15)


@pytest.fixture(scope="module")
def ended() -> dict[str, subprocess.CompletedProcess[str]]:
    """What a user sees who pipes each chapter into something; they are played side by side."""
    with ExitStack() as stack:
        programs = {
            chapter.name: stack.enter_context(
                subprocess.Popen(
                    [*COMMAND, chapter.name],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for chapter in CHAPTERS
        }
        printed = {name: program.communicate(timeout=120) for name, program in programs.items()}
    return {
        name: subprocess.CompletedProcess(COMMAND, programs[name].returncode, *printed[name])
        for name in programs
    }


def test_it_ends_without_a_word_where_nobody_reads_on() -> None:
    with subprocess.Popen(
        [*COMMAND, GOOD.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as program:
        assert program.stdout
        assert program.stderr
        while b" POST /v1/calls/stage " not in program.stdout.readline():
            assert program.poll() is None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == -signal.SIGPIPE


@pytest.fixture(scope="module")
def printed(ended: dict[str, subprocess.CompletedProcess[str]]) -> str:
    return ended["tour"].stdout


def named(name: str) -> tuple[Chapter, Scene]:
    """The scene of that name, and a chapter that has no other."""
    [chapter] = chosen([name])
    return chapter, chapter.scenes[0]


async def played(chapter: Chapter) -> Result:
    """What comes of the only scene of a chapter."""
    witness = Witness()
    async with Site(chapter, [witness.handlers]) as site:
        return await perform(chapter.scenes[0], site, witness)


async def beside(chapters: dict[str, Chapter]) -> dict[str, list[str]]:
    """What differs in the only scene of each chapter; they are played side by side."""
    results = await asyncio.gather(*map(played, chapters.values()))
    return {name: one.differences for name, one in zip(chapters, results, strict=True)}


def _ladder(printed: str, call: int) -> list[str]:
    """The texts on the arrows of a call, in their order."""
    lines = [line for line in printed.splitlines() if line.startswith(f"#{call} ")]
    return [" ".join(re.sub(r"[│─◀▶]", " ", line[12:]).split()) for line in lines]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_scene_goes_as_expected_and_is_shown(
    ended: dict[str, subprocess.CompletedProcess[str]], chapter: Chapter
) -> None:
    seen = ended[chapter.name]
    assert (seen.returncode, seen.stderr) == (0, ""), seen.stdout
    summary = seen.stdout.partition("Summary")[2]
    for scene in chapter.scenes:
        assert re.search(rf"^ {re.escape(scene.title)} .* as expected", summary, re.MULTILINE)
    assert seen.stdout.count("=> ") == len(chapter.scenes)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_pipe_gets_no_control_codes_and_no_line_above_eighty_columns(
    ended: dict[str, subprocess.CompletedProcess[str]], chapter: Chapter
) -> None:
    printed = ended[chapter.name].stdout
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 80


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
    assert "knows why: api_unreachable" in printed


def test_the_summary_says_what_to_do_next(printed: str) -> None:
    assert {"--list", "--keep"} <= set(printed.partition("Summary")[2].split())


def test_the_settings_of_a_scene_are_shown_as_a_file_has_them(
    ended: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    assert '[[numbers]] policy = { refused = "refuse 603 Not now" }' in ended["policies"].stdout
    assert "[api] terminate_wasted = true" in ended["claims"].stdout


def test_scenes_are_chosen_by_name_and_numbered_by_their_calls() -> None:
    seen = subprocess.run(
        [*COMMAND, "weight", "busy"], check=False, capture_output=True, text=True, timeout=60
    )
    assert seen.returncode == 0
    begun = re.findall(r"^(Calls? .*?): (.*?) ─", seen.stdout, re.MULTILINE)
    assert begun == [("Call 1", "the API is busy"), ("Calls 2 to 4", "by weight")]
    assert "#4 " in seen.stdout


def test_all_names_choose_everything() -> None:
    assert chosen(NAMES) == list(CHAPTERS)


def test_the_list_has_every_name() -> None:
    seen = subprocess.run([*COMMAND, "--list"], check=False, capture_output=True, text=True)
    assert (seen.returncode, seen.stderr) == (0, "")
    assert set(re.findall(r"^ *([a-z]+) ", seen.stdout, re.MULTILINE)) >= NAMES


def test_a_name_that_is_none_is_a_mistake_on_the_command_line() -> None:
    seen = subprocess.run([*COMMAND, "tuor"], check=False, capture_output=True, text=True)
    assert seen.returncode == 2
    assert "tuor" in seen.stderr
    assert "--list" in seen.stderr


def test_names_and_numbers_are_each_of_one_scene_and_titles_fit_into_the_summary() -> None:
    scenes = [scene for chapter in CHAPTERS for scene in chapter.scenes]
    assert len({scene.number for scene in scenes}) == len(scenes)
    assert len(NAMES) == len(scenes) + len(CHAPTERS)
    assert [scene.title for scene in scenes if len(scene.title) > 19] == []


def test_with_keep_it_says_what_to_dial_and_ends_cleanly_when_interrupted() -> None:
    with subprocess.Popen(
        [*COMMAND, "moved", "--keep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout
            assert program.stderr
            lines = []
            while line := program.stdout.readline():
                lines.append(line)
                if "Ctrl-C ends it" in line:
                    break
            assert re.search(r"sip:\+33612345705@127\.0\.0\.1:\d+", "".join(lines))
            assert "/metrics" in lines[-1]
            program.send_signal(signal.SIGINT)
            rest, errors = program.communicate(timeout=20)
        finally:
            program.kill()
    assert (program.returncode, errors) == (0, "")
    assert "Stopped" in rest


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"heard": replace(CALL.heard, final="503 No")}, "the caller got 503 No instead of 200 OK"),
        ({"heard": replace(CALL.heard, provisional=())}, "the caller heard nothing instead of 180"),
        (
            {"heard": replace(CALL.heard, provisional=(RANG, RANG))},
            "there were early dialogs: 1 instead of 2",
        ),
        (
            {"heard": replace(CALL.heard, provisional=(replace(RANG, after=0.1),))},
            "it rang after 0.10 s instead of 0.15 s or more",
        ),
        ({"reached": (COLD,)}, f"the INVITE reached {COLD} instead of {STAGED}"),
        ({"cause": "refused"}, "the cause was refused instead of nothing"),
        ({"treated": ("moved",)}, "the call was treated with moved instead of nothing"),
    ],
)
def test_what_differs_in_a_call_is_said(changed: dict[str, Any], difference: str) -> None:
    assert difference in replace(FINE, calls=(replace(CALL, **changed),)).differences


@pytest.mark.parametrize(
    ("wanted", "difference"),
    [
        ({"contact": "<sip:queue>"}, "the response's Contact was nothing instead of <sip:queue>"),
        ({"retry_after": "5"}, "the response's Retry-After was nothing instead of 5"),
    ],
)
def test_a_header_that_is_missing_is_said(wanted: dict[str, Any], difference: str) -> None:
    scene = replace(GOOD, acts=(Act(**wanted),))
    assert replace(FINE, scene=scene).differences == [difference]


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"asked": (AGENT, AGENT)}, f"agents {AGENT}, {AGENT} instead of {AGENT}"),
        ({"told": {"from_number": "x"}}, "the API was told {'from_number': 'x'} instead of {}"),
        ({"closed": 1}, "closed 1 instead of 0"),
        ({"ended": 1}, "ended 1 instead of 0"),
        ({"breaker": ("open",)}, "the circuit breaker became open instead of nothing"),
    ],
)
def test_what_differs_at_the_api_is_said(changed: dict[str, Any], difference: str) -> None:
    assert difference in "; ".join(replace(FINE, **changed).differences)


def test_two_calls_with_one_id_are_found() -> None:
    scene = replace(GOOD, acts=(Act(), Act()), asked=(AGENT, AGENT))
    result = replace(FINE, scene=scene, calls=(CALL, CALL), asked=(AGENT, AGENT))
    assert result.differences == ["there was an id used by two calls: c-1 instead of nothing"]


def test_nothing_differs_in_a_call_that_went_as_expected() -> None:
    assert FINE.differences == []


async def test_scenes_whose_api_fails_are_found_out() -> None:
    failing = {}
    for name in ("good", "forward", "ring", "reliable", "redial", "backup", "hours", "prefix"):
        chapter, scene = named(name)
        scene = replace(scene, behaviour=Behaviour(status=404), agents={})
        failing[name] = replace(chapter, scenes=(scene,))
    for name, differences in (await beside(failing)).items():
        assert any("instead of 200 OK" in difference for difference in differences), name


async def test_numbers_without_their_policy_are_found_out() -> None:
    without = {}
    for name in ("forward", "refuse", "busy", "redirect", "moved", "instead", "progress", "after"):
        chapter, scene = named(name)
        settings = {key: value for key, value in scene.settings.items() if key != "policy"}
        scenes = (replace(scene, settings=settings),)
        without[name] = replace(chapter, scenes=scenes, api={**chapter.api, "deadline": 0.7})
    for name, differences in (await beside(without)).items():
        assert differences, name


async def test_an_api_without_its_settings_is_found_out() -> None:
    names = ("redial", "second", "wasted", "breaker", "queued")
    without = {name: replace(named(name)[0], api={}) for name in names}
    for name, differences in (await beside(without)).items():
        assert differences, name


async def test_ringing_where_there_should_be_none_is_found_out() -> None:
    chapter, scene = named("silence")
    scene = replace(scene, settings={"policy": {"ringing_delay": 0.2}})
    result = await played(replace(chapter, scenes=(scene,)))
    assert "the caller heard 180, 180 instead of 180" in result.differences


async def test_a_platform_without_its_other_address_is_found_out() -> None:
    chapter, _ = named("backup")
    result = await played(replace(chapter, upstream={}))
    assert "the caller got 500 Server Internal Error instead of 200 OK" in result.differences


async def test_agents_and_variables_that_are_not_as_said_are_found_out() -> None:
    chapter, scene = named("variables")
    result = await played(replace(chapter, scenes=(replace(scene, settings={}),)))
    assert "the API was told" in result.differences[0]
    chapter, scene = named("hours")
    other = replace(scene, settings={"agent": SECOND_AGENT})
    result = await played(replace(chapter, scenes=(other,)))
    assert f"agents {SECOND_AGENT} instead of {AGENT}" in result.differences[0]


def test_the_exit_code_and_the_summary_tell_of_a_call_that_went_another_way() -> None:
    program = (
        "from dataclasses import replace; from sip_stager.demo import runner; "
        "from sip_stager.demo.chapters import chosen; [chapter] = chosen(['moved']); "
        "[scene] = chapter.scenes; scene = replace(scene, settings={}); "
        "raise SystemExit(runner.run_demo([replace(chapter, scenes=(scene,))], keep=False))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=60
    )
    assert (seen.returncode, seen.stderr) == (1, "")
    assert "=> Not as expected: the caller got 503 Service Unavailable instead of" in seen.stdout
    assert re.search(r"^ a 302 to the trunk .* DIFFERS", seen.stdout, re.MULTILINE)


async def test_a_call_that_was_not_staged_finds_the_agent_cold() -> None:
    async with Agent(rings=0.0, talks=0.0, warms=0.1) as agent, Caller(agent.port) as caller:
        heard = await caller.call("+33612345678")
    assert heard.final == "200 OK"
    assert heard.provisional[0].after >= 0.1
    assert list(agent.seen.values()) == [[""]]


async def test_a_caller_who_is_asked_for_credentials_comes_again_with_them() -> None:
    async with Agent(rings=0.0, talks=0.0, warms=0.0) as agent, Caller(agent.port) as caller:
        agent.guarded.add("+33612345678")
        heard = await caller.call("+33612345678")
    assert heard.final == "200 OK"
    assert list(agent.seen.values()) == [["", ""]]


def test_credentials_for_another_challenge_prove_nothing() -> None:
    given = credentials('Digest realm="r", nonce="one"', "INVITE", "sip:a@b")
    assert proven(given, "one", "INVITE")
    assert not proven(given, "two", "INVITE")
    assert not proven("", "one", "INVITE")


async def test_the_agent_stops_ringing_when_the_caller_cancels() -> None:
    act = Act(final="487 Request Terminated", silent_for=0.15)
    scene, witness = replace(GOOD, acts=(act,)), Witness()
    async with Site(replace(TOUR, scenes=(scene,), rings=60.0), [witness.handlers]) as site:
        performance = asyncio.create_task(perform(scene, site, witness))
        await cancel_what_rings(site.callers[act.address])
        result = await performance
    assert result.differences == []


async def cancel_what_rings(caller: Caller) -> None:
    """Give up once the call rings, however long that took."""
    while not any(placed._provisional for placed in caller.conversations.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    for placed in caller.conversations.values():
        caller._cancel(placed)


async def test_the_api_serves_again_after_it_was_down() -> None:
    witness = Witness()
    async with Site(TOUR, [witness.handlers]) as site:
        down = await perform(DOWN, site, witness)
        again = await perform(GOOD, site, witness)
    assert (down.differences, again.differences) == ([], [])
