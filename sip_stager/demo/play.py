"""``sip-stager demo``: places the calls, and shows them as they happen."""

from __future__ import annotations

import asyncio
import signal
import sys

import uvloop

from sip_stager.demo.page import Page
from sip_stager.demo.scenario import SCENES, Result, Scene
from sip_stager.demo.site import Site, Witness
from sip_stager.observability.ladder import Ladder
from sip_stager.observability.logs import set_up
from sip_stager.observability.sink import LogSink

_PAUSE = 0.6  # seconds, to read
_SETTLE = 0.1  # seconds in which the last messages of a call reach their ends
_LONG_TALK = 20.0  # seconds until the agent hangs up on a caller of flesh and blood


def play(*, keep: bool) -> int:
    """Run the demo, and give the exit code: 0 when every call went as expected."""
    sink = LogSink(sys.stderr.fileno())
    set_up(sink, "error")  # the ladder tells it all but what must not happen
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_play(keep=keep))
    except OSError as error:
        sys.stderr.write(f"sip-stager demo: {error}\n")
        return 1
    finally:
        sink.close()


async def _play(*, keep: bool) -> int:
    page, witness = Page(), Witness()
    ladder = Ladder(page.console, shown=str)  # the numbers are nobody's
    async with Site([witness, ladder]) as site:
        page.introduce(site)
        results = []
        for ordinal, scene in enumerate(SCENES, 1):
            page.begin(ordinal, scene)
            ladder.heading()
            results.append(await perform(scene, site, witness))
            page.end(results[-1])
            await asyncio.sleep(_PAUSE)
        page.summarise(results)
        if keep:
            await _serve(page, ladder, site)
        else:
            page.point_onward()
    return int(any(result.differences for result in results))


async def perform(scene: Scene, site: Site, witness: Witness) -> Result:
    """Place one call, and gather what each side saw of it."""
    closed_before, held_before = site.api.stats.aborted, site.api.stats.held
    if scene.api_down:
        await site.api.close()
    try:
        heard = await site.caller.call(
            scene.number, cancel_after=scene.cancel_after, talks=scene.talks
        )
        await asyncio.sleep(_SETTLE)
    finally:
        if scene.api_down:
            await site.restart_api()
    return Result(
        scene,
        heard.status,
        heard.rings_after,
        heard.over_after,
        site.api.stats.held - held_before,
        witness.given.get(heard.call_id, ""),
        site.agent.seen.get(heard.call_id),
        witness.causes.get(heard.call_id, ""),
        site.api.stats.aborted - closed_before,
    )


async def _serve(page: Page, ladder: Ladder, site: Site) -> None:
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told_to_stop.set)
    site.agent.talks = _LONG_TALK
    page.invite(site, SCENES)
    page.console.print()
    ladder.heading()
    await told_to_stop.wait()
    page.part()
