"""``sip-stager demo``: places the calls, and shows them as they happen."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from sip_stager.demo.chapters import CHAPTERS
from sip_stager.demo.output import Page
from sip_stager.demo.scene_runner import Witness, perform
from sip_stager.demo.testbed import Site
from sip_stager.observability.ladder import Ladder
from sip_stager.observability.log_sink import LogSink
from sip_stager.observability.logs import set_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.demo.scene import Chapter
    from sip_stager.demo.scene_result import Result

_PAUSE = 0.6  # seconds, to read
_LONG_TALK = 20.0  # seconds until the agent hangs up on a caller of flesh and blood


def run_demo(chapters: Sequence[Chapter], *, keep: bool) -> int:
    """Run the demo, and give the exit code: 0 when every call went as expected."""
    sink = LogSink(sys.stderr.fileno())
    set_up(sink, "error")  # the ladder tells it all but what must not happen
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Demo(chapters).run(keep=keep))
    except OSError as error:
        sys.stderr.write(f"sip-stager demo: {error}\n")
        return 1
    finally:
        sink.close()


def print_contents() -> None:
    """List what can be played."""
    Page().contents(CHAPTERS)


class _Demo:
    """Plays one chapter after another, each with a site of its own."""

    def __init__(self, chapters: Sequence[Chapter]) -> None:
        self._chapters = chapters
        self._page = Page()
        self._witness = Witness()
        self._ladder = Ladder(self._page.console, shown=str)  # the numbers are nobody's
        self._results: list[Result] = []
        self._calls = 0

    async def run(self, *, keep: bool) -> int:
        *others, last = self._chapters
        for chapter in others:
            async with self._site(chapter) as site:
                await self._perform(chapter, site)
        async with self._site(last) as site:
            await self._perform(last, site)
            self._page.summarise(self._results)
            if keep:
                await self._serve(last, site)
            else:
                self._page.point_onward()
        return int(any(result.differences for result in self._results))

    def _site(self, chapter: Chapter) -> Site:
        return Site(chapter, [self._witness.handlers, self._ladder.handlers])

    async def _perform(self, chapter: Chapter, site: Site) -> None:
        page = self._page
        if not self._results:
            page.introduce(site)
        if chapter.about:
            page.open(chapter, site.upstream_of(chapter))
        for scene in chapter.scenes:
            page.begin(self._calls + 1, scene, site.settings_of(scene))
            self._ladder.heading()
            self._results.append(await perform(scene, site, self._witness))
            self._calls += len(scene.acts)
            page.end(self._results[-1])
            if page.console.is_terminal:
                await asyncio.sleep(_PAUSE)

    async def _serve(self, chapter: Chapter, site: Site) -> None:
        told_to_stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told_to_stop.set)
        site.agent.talks = _LONG_TALK
        self._page.invite(site, chapter.scenes)
        self._page.console.print()
        self._ladder.heading()
        await told_to_stop.wait()
        self._page.part()
