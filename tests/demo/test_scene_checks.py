"""Every scene checks what it shows: a call that goes differently is reported."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from sip_stager.demo.caller import CallReport, ProvisionalResponse
from sip_stager.demo.chapters import TOUR, select_chapters
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.participants import Participants
from sip_stager.demo.scene import AGENT, COLD, SECOND_AGENT, STAGED, ScriptedCall
from sip_stager.demo.scene_result import ObservedCall, SceneResult
from sip_stager.demo.scene_runner import ProxyObserver, run_scene
from sip_stager.model.vocabulary import BreakerState, StagingOutcome, TreatmentKind

if TYPE_CHECKING:
    from typing import Any

    from sip_stager.demo.scene import Chapter, Scene

GOOD, SLOW, CANCELLED, DOWN = TOUR.scenes
RANG = ProvisionalResponse(180, 0.2, b"agent")
CALL = ObservedCall(CallReport("1@caller", "200 OK", (RANG,), 0.5), (STAGED,), ("c-1",))
AS_EXPECTED = SceneResult(GOOD, (CALL,), (AGENT,), {}, 0, 0, (), 0.15)


def named(name: str) -> tuple[Chapter, Scene]:
    """Return a scene, and a chapter with no other scene."""
    [chapter] = select_chapters([name])
    return chapter, chapter.scenes[0]


async def play(chapter: Chapter) -> SceneResult:
    """Play the only scene of a chapter."""
    observer = ProxyObserver()
    async with Participants(chapter, [observer.handlers]) as participants:
        return await run_scene(chapter.scenes[0], participants, observer)


async def play_all(chapters: dict[str, Chapter]) -> dict[str, list[str]]:
    """Play chapters of one scene at the same time and return what differs in each."""
    results = await asyncio.gather(*map(play, chapters.values()))
    return {name: one.differences for name, one in zip(chapters, results, strict=True)}


def test_a_call_that_went_as_expected_has_no_differences() -> None:
    assert AS_EXPECTED.differences == []


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        (
            {"report": replace(CALL.report, final="503 No")},
            "the caller got 503 No instead of 200 OK",
        ),
        (
            {"report": replace(CALL.report, provisional=())},
            "the caller heard nothing instead of 180",
        ),
        (
            {"report": replace(CALL.report, provisional=(RANG, RANG))},
            "early dialogs: 1 instead of 2",
        ),
        (
            {"report": replace(CALL.report, provisional=(replace(RANG, after=0.1),))},
            "it rang after 0.10 s instead of 0.15 s or more",
        ),
        ({"reached": (COLD,)}, f"the INVITE reached {COLD} instead of {STAGED}"),
        ({"cause": StagingOutcome.REFUSED}, "the cause was refused instead of nothing"),
        ({"treatments": (TreatmentKind.MOVED,)}, "the treatments were moved instead of nothing"),
    ],
)
def test_a_difference_in_a_call_is_reported(changed: dict[str, Any], difference: str) -> None:
    assert difference in replace(AS_EXPECTED, calls=(replace(CALL, **changed),)).differences


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"contact": "<sip:queue>"}, "the response's Contact was nothing instead of <sip:queue>"),
        ({"retry_after": "5"}, "the response's Retry-After was nothing instead of 5"),
    ],
)
def test_a_missing_header_field_is_reported(expected: dict[str, Any], difference: str) -> None:
    scene = replace(GOOD, calls=(ScriptedCall(**expected),))
    assert replace(AS_EXPECTED, scene=scene).differences == [difference]


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"staged_agents": (AGENT, AGENT)}, f"agents {AGENT}, {AGENT} instead of {AGENT}"),
        (
            {"request_fields": {"from_number": "x"}},
            "the API received {'from_number': 'x'} instead of {}",
        ),
        ({"closed_requests": 1}, "closed: 1 instead of 0"),
        ({"ended_calls": 1}, "ended: 1 instead of 0"),
        ({"breaker": (BreakerState.OPEN,)}, "the circuit breaker became open instead of nothing"),
    ],
)
def test_a_difference_at_the_api_is_reported(changed: dict[str, Any], difference: str) -> None:
    assert difference in "; ".join(replace(AS_EXPECTED, **changed).differences)


def test_two_calls_with_one_staged_id_are_reported() -> None:
    scene = replace(GOOD, calls=(ScriptedCall(), ScriptedCall()), staged_agents=(AGENT, AGENT))
    result = replace(AS_EXPECTED, scene=scene, calls=(CALL, CALL), staged_agents=(AGENT, AGENT))
    assert result.differences == [
        "two calls were answered with the staged id c-1 instead of nothing"
    ]


async def test_a_failing_api_is_detected() -> None:
    failing = {}
    for name in ("good", "forward", "ring", "reliable", "redial", "backup", "hours", "prefix"):
        chapter, scene = named(name)
        scene = replace(scene, behaviour=Behaviour(status=404), agents={})
        failing[name] = replace(chapter, scenes=(scene,))
    for name, differences in (await play_all(failing)).items():
        assert any("instead of 200 OK" in difference for difference in differences), name


async def test_a_missing_policy_is_detected() -> None:
    without = {}
    for name in ("forward", "refuse", "busy", "redirect", "moved", "instead", "progress", "after"):
        chapter, scene = named(name)
        settings = {key: value for key, value in scene.settings.items() if key != "policy"}
        scenes = (replace(scene, settings=settings),)
        without[name] = replace(chapter, scenes=scenes, api={**chapter.api, "deadline": 0.7})
    for name, differences in (await play_all(without)).items():
        assert differences, name


async def test_missing_api_settings_are_detected() -> None:
    names = ("redial", "second", "wasted", "breaker", "queued")
    without = {name: replace(named(name)[0], api={}) for name in names}
    for name, differences in (await play_all(without)).items():
        assert differences, name


async def test_unexpected_ringing_is_detected() -> None:
    chapter, scene = named("silence")
    scene = replace(scene, settings={"policy": {"ringing_delay": 0.2}})
    result = await play(replace(chapter, scenes=(scene,)))
    assert "the caller heard 180, 180 instead of 180" in result.differences


async def test_a_missing_second_address_is_detected() -> None:
    chapter, _ = named("backup")
    result = await play(replace(chapter, upstream={}))
    assert "the caller got 500 Server Internal Error instead of 200 OK" in result.differences


async def test_wrong_agents_and_variables_are_detected() -> None:
    chapter, scene = named("variables")
    result = await play(replace(chapter, scenes=(replace(scene, settings={}),)))
    assert "the API received" in result.differences[0]
    chapter, scene = named("hours")
    other = replace(scene, settings={"agent": SECOND_AGENT})
    result = await play(replace(chapter, scenes=(other,)))
    assert f"agents {SECOND_AGENT} instead of {AGENT}" in result.differences[0]


async def test_the_api_works_again_after_a_scene_in_which_it_was_down() -> None:
    observer = ProxyObserver()
    async with Participants(TOUR, [observer.handlers]) as participants:
        down = await run_scene(DOWN, participants, observer)
        again = await run_scene(GOOD, participants, observer)
    assert (down.differences, again.differences) == ([], [])
