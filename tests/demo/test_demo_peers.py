"""The built-in caller and agent."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from sip_stager.demo.agent import Agent
from sip_stager.demo.caller import Caller
from sip_stager.demo.chapters import TOUR
from sip_stager.demo.digest_authentication import are_valid, make_credentials
from sip_stager.demo.participants import Participants
from sip_stager.demo.scene import ScriptedCall
from sip_stager.demo.scene_runner import ProxyObserver, run_scene

NUMBER = "+33612345678"


async def test_a_call_that_was_not_staged_finds_the_agent_cold() -> None:
    async with (
        Agent(ring_time=0.0, talk_time=0.0, warm_up_time=0.1) as agent,
        Caller(agent.port) as caller,
    ):
        report = await caller.call(NUMBER)
    assert report.final == "200 OK"
    assert report.provisional[0].after >= 0.1
    assert list(agent.staged_ids.values()) == [[""]]


async def test_a_challenged_caller_sends_a_second_invite_with_credentials() -> None:
    async with (
        Agent(ring_time=0.0, talk_time=0.0, warm_up_time=0.0) as agent,
        Caller(agent.port) as caller,
    ):
        agent.challenged.add(NUMBER)
        report = await caller.call(NUMBER)
    assert report.final == "200 OK"
    assert list(agent.staged_ids.values()) == [["", ""]]


def test_credentials_for_another_challenge_are_not_valid() -> None:
    credentials = make_credentials('Digest realm="r", nonce="one"', "INVITE", "sip:a@b")
    assert are_valid(credentials, "one", "INVITE")
    assert not are_valid(credentials, "two", "INVITE")
    assert not are_valid("", "one", "INVITE")


async def test_the_agent_stops_ringing_when_the_caller_cancels() -> None:
    script = ScriptedCall(final="487 Request Terminated", silent_for=0.15)
    scene, observer = replace(TOUR.scenes[0], calls=(script,)), ProxyObserver()
    chapter = replace(TOUR, scenes=(scene,), ring_time=60.0)
    async with Participants(chapter, [observer.handlers]) as participants:
        running = asyncio.create_task(run_scene(scene, participants, observer))
        await cancel_when_ringing(participants.callers[script.address])
        result = await running
    assert result.differences == []


async def cancel_when_ringing(caller: Caller) -> None:
    """Cancel the call once it rings, however long the machine takes for that."""
    while not any(call._provisional for call in caller.conversations.values()):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    for call in caller.conversations.values():
        caller._cancel(call)
