"""``sip-stager demo``: plays chapters and shows their calls as they happen."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import uvloop

from sip_stager.demo.chapters import CHAPTERS
from sip_stager.demo.output import DemoOutput
from sip_stager.demo.participants import Participants
from sip_stager.demo.scene_runner import ProxyObserver, run_scene
from sip_stager.observability.ladder import Ladder
from sip_stager.observability.log_writer import LogWriter
from sip_stager.observability.logs import set_up

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.demo.scene import Chapter
    from sip_stager.demo.scene_result import SceneResult

_READING_PAUSE = 0.6  # seconds after each scene, on a terminal
_SOFTPHONE_TALK_TIME = 20.0  # seconds until the agent hangs up on the user's own calls


def run_demo(chapters: Sequence[Chapter], *, keep: bool) -> int:
    """Play chapters; return the exit code, 0 if every call went as expected."""
    log_writer = LogWriter(sys.stderr.fileno())
    set_up(log_writer, "error")  # the ladder shows the calls; the log is for faults of the program
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_Demo(chapters).run(keep=keep))
    except OSError as error:
        sys.stderr.write(f"sip-stager demo: {error}\n")
        return 1
    finally:
        log_writer.close()


def print_contents() -> None:
    """Print the names of all chapters and scenes."""
    DemoOutput().list_chapters(CHAPTERS)


class _Demo:
    """Plays one chapter after another, each with participants of its own."""

    def __init__(self, chapters: Sequence[Chapter]) -> None:
        self._chapters = chapters
        self._output = DemoOutput()
        self._observer = ProxyObserver()
        self._ladder = Ladder(self._output.console, shown=str)  # no number here is a real one
        self._results: list[SceneResult] = []
        self._calls_placed = 0

    async def run(self, *, keep: bool) -> int:
        *others, last = self._chapters
        for chapter in others:
            async with self._participants_of(chapter) as participants:
                await self._play(chapter, participants)
        async with self._participants_of(last) as participants:
            await self._play(last, participants)
            self._output.summarise(self._results)
            if keep:
                await self._serve(last, participants)
            else:
                self._output.show_next_steps()
        return int(any(result.differences for result in self._results))

    def _participants_of(self, chapter: Chapter) -> Participants:
        return Participants(chapter, [self._observer.handlers, self._ladder.handlers])

    async def _play(self, chapter: Chapter, participants: Participants) -> None:
        output = self._output
        if not self._results:
            output.introduce(participants)
        if chapter.about:
            output.announce_chapter(chapter, participants.upstream_settings(chapter))
        for scene in chapter.scenes:
            output.announce_calls(
                self._calls_placed + 1, scene, participants.number_settings(scene)
            )
            self._ladder.heading()
            self._results.append(await run_scene(scene, participants, self._observer))
            self._calls_placed += len(scene.calls)
            output.show_result(self._results[-1])
            if output.console.is_terminal:
                await asyncio.sleep(_READING_PAUSE)

    async def _serve(self, chapter: Chapter, participants: Participants) -> None:
        """Serve the user's own calls until a signal to stop."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        participants.agent.talk_time = _SOFTPHONE_TALK_TIME
        self._output.show_how_to_dial(participants, chapter.scenes)
        self._output.console.print()
        self._ladder.heading()
        await stopped.wait()
        self._output.show_stopped()
