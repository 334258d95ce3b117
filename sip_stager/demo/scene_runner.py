"""Plays a scene, and gathers what each side saw of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from sip_stager.demo.scene import COLD, QUEUE, QUEUE_URI, STAGED, STANDBY
from sip_stager.demo.scene_result import Call, Result
from sip_stager.events import BreakerMoved, CallRefused, CallTreated

if TYPE_CHECKING:
    from sip_stager.demo.caller import Heard
    from sip_stager.demo.fake_platform.staged_calls import StagedCall
    from sip_stager.demo.scene import Act, Scene
    from sip_stager.demo.testbed import Site
    from sip_stager.ports import Handlers


class Witness:
    """Remembers what the proxy reported: of each call by its Call-ID, and of its breaker."""

    def __init__(self) -> None:
        self.causes: dict[str, str] = {}
        self.treated: dict[str, tuple[str, ...]] = {}
        self.breaker: list[str] = []
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
        self.treated[call_id] = (*self.treated.get(call_id, ()), event.treatment)


async def perform(scene: Scene, site: Site, witness: Witness) -> Result:
    """Place the calls of a scene, and look at every side."""
    before, moves_before = set(site.api.calls), len(witness.breaker)
    closed_before, held_before = site.api.stats.aborted, site.api.stats.held_seconds
    site.set_stage(scene)
    all_heard = await _place(scene, site)
    await asyncio.sleep(scene.rests)
    staged = {key: call for key, call in site.api.calls.items() if key not in before}
    asked = list(staged.values())
    return Result(
        scene,
        tuple(_seen(heard, site, witness, staged) for heard in all_heard),
        tuple(str(call.request["agent_id"]) for call in asked),
        {name: asked[-1].request.get(name) for name in scene.told} if asked else {},
        site.api.stats.aborted - closed_before,
        sum(call.terminated for call in asked),
        tuple(witness.breaker[moves_before:]),
        site.api.stats.held_seconds - held_before,
    )


async def _place(scene: Scene, site: Site) -> list[Heard]:
    placed: list[asyncio.Task[Heard]] = []
    async with asyncio.TaskGroup() as group:
        for act in scene.acts:
            if placed and not act.beside:
                await asyncio.wait(placed)
            await asyncio.sleep(act.pause)
            placed.append(group.create_task(_call(act, scene, site)))
    return [task.result() for task in placed]


async def _call(act: Act, scene: Scene, site: Site) -> Heard:
    if act.api is not None:
        site.api.behaviours[scene.called] = act.api
    if act.api_down:
        await site.api.close()
    try:
        return await site.callers[act.address].call(
            scene.called,
            cancel_after=act.cancel_after,
            talks=act.talks,
            caller=act.caller,
            fields=act.fields,
        )
    finally:
        if act.api_down:
            await site.restart_api()


def _seen(heard: Heard, site: Site, witness: Witness, staged: dict[str, StagedCall]) -> Call:
    ids = site.agent.seen.get(heard.call_id, [])
    at_standby = site.standby.seen.get(heard.call_id, [])
    return Call(
        replace(heard, contact=heard.contact.replace(site.queue.uri, QUEUE_URI)),
        (
            *(_reached(one, staged, STAGED) for one in ids),
            *(_reached(one, staged, STANDBY) for one in at_standby),
            *(QUEUE for _ in site.queue.seen.get(heard.call_id, ())),
        ),
        (*ids, *at_standby),
        witness.causes.get(heard.call_id, ""),
        witness.treated.get(heard.call_id, ()),
    )


def _reached(staged_id: str, staged: dict[str, StagedCall], by_id: str) -> str:
    if not staged_id:
        return COLD
    return by_id if staged_id in staged else f"an agent by the id {staged_id!r} of nobody"
