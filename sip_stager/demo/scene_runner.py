"""Plays a scene and collects what each side saw of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from sip_stager.demo.scene import COLD, QUEUE, QUEUE_URI, STAGED, STANDBY
from sip_stager.demo.scene_result import ObservedCall, SceneResult
from sip_stager.events import BreakerMoved, CallRefused, CallTreated

if TYPE_CHECKING:
    from sip_stager.demo.caller import CallReport
    from sip_stager.demo.fake_platform.staged_calls import StagedCall
    from sip_stager.demo.participants import Participants
    from sip_stager.demo.scene import Scene, ScriptedCall
    from sip_stager.model.call import Cause
    from sip_stager.model.vocabulary import BreakerState, TreatmentKind
    from sip_stager.ports import Handlers


class ProxyObserver:
    """Records what the proxy reports: causes and treatments by Call-ID, the breaker's states."""

    def __init__(self) -> None:
        self.causes: dict[str, Cause] = {}
        self.treatments: dict[str, tuple[TreatmentKind, ...]] = {}
        self.breaker: list[BreakerState] = []
        self.handlers: Handlers = {
            CallRefused: self._refused,
            CallTreated: self._treated,
            BreakerMoved: lambda event: self.breaker.append(event.state),
        }

    def _refused(self, event: CallRefused) -> None:
        self.causes[event.call_id] = event.cause

    def _treated(self, event: CallTreated) -> None:
        call_id = event.call.call_id
        self.causes[call_id] = event.cause
        self.treatments[call_id] = (*self.treatments.get(call_id, ()), event.treatment)


async def run_scene(
    scene: Scene, participants: Participants, observer: ProxyObserver
) -> SceneResult:
    """Place the calls of a scene and return what all sides saw."""
    stats = participants.api.stats
    calls_before, states_before = set(participants.api.calls), len(observer.breaker)
    closed_before, held_before = stats.aborted, stats.held_seconds
    participants.prepare(scene)
    reports = await _place_calls(scene, participants)
    await asyncio.sleep(scene.settle_time)
    staged = {key: call for key, call in participants.api.calls.items() if key not in calls_before}
    requests = list(staged.values())
    last_request = requests[-1].request if requests else {}
    return SceneResult(
        scene,
        tuple(_observed(report, participants, observer, staged) for report in reports),
        tuple(str(call.request["agent_id"]) for call in requests),
        {name: last_request.get(name) for name in scene.request_fields} if requests else {},
        stats.aborted - closed_before,
        sum(call.terminated for call in requests),
        tuple(observer.breaker[states_before:]),
        stats.held_seconds - held_before,
    )


async def _place_calls(scene: Scene, participants: Participants) -> list[CallReport]:
    placed: list[asyncio.Task[CallReport]] = []
    async with asyncio.TaskGroup() as group:
        for script in scene.calls:
            if placed and not script.concurrent:
                await asyncio.wait(placed)
            await asyncio.sleep(script.pause)
            placed.append(group.create_task(_place_call(script, scene, participants)))
    return [task.result() for task in placed]


async def _place_call(script: ScriptedCall, scene: Scene, participants: Participants) -> CallReport:
    if script.api is not None:
        participants.api.behaviours[scene.called_number] = script.api
    if script.api_down:
        await participants.api.close()
    try:
        return await participants.callers[script.address].call(
            scene.called_number,
            cancel_after=script.cancel_after,
            talk_time=script.talk_time,
            caller=script.caller,
            fields=script.fields,
        )
    finally:
        if script.api_down:
            await participants.restart_api()


def _observed(
    report: CallReport,
    participants: Participants,
    observer: ProxyObserver,
    staged: dict[str, StagedCall],
) -> ObservedCall:
    call_id = report.call_id
    ids = participants.agent.staged_ids.get(call_id, [])
    standby_ids = participants.standby.staged_ids.get(call_id, [])
    return ObservedCall(
        replace(report, contact=report.contact.replace(participants.queue.uri, QUEUE_URI)),
        (
            *(_destination(one, staged, STAGED) for one in ids),
            *(_destination(one, staged, STANDBY) for one in standby_ids),
            *(QUEUE for _ in participants.queue.staged_ids.get(call_id, ())),
        ),
        (*ids, *standby_ids),
        observer.causes.get(call_id),
        observer.treatments.get(call_id, ()),
    )


def _destination(staged_id: str, staged: dict[str, StagedCall], agent: str) -> str:
    if not staged_id:
        return COLD
    return agent if staged_id in staged else f"an agent with the unknown id {staged_id!r}"
