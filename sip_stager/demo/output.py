"""What the demo prints around its ladders."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sip_stager.demo.endpoint import HOST
from sip_stager.demo.summary import story, summary, toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sip_stager.demo.scene import Chapter, Scene
    from sip_stager.demo.scene_result import Result
    from sip_stager.demo.testbed import Site

WIDTH = 80
"""Columns that the ladder takes."""


class _Terminal(Console):
    """Ends the program where nobody reads on (``| head``), as the shell's own programs do."""

    def on_broken_pipe(self) -> None:
        """Die of SIGPIPE: an exception would pass through the proxy, which reports to this page."""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.raise_signal(signal.SIGPIPE)


class Page:
    """Prints to the terminal, or plainly to a pipe or a file."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _console()

    def introduce(self, site: Site) -> None:
        """Say what this is about, and who takes part."""
        self._say("sip-stager demo: all on this machine, no account, no trunk, no key", "bold")
        self._say(
            "A voice agent takes a moment to warm up. sip-stager holds each call (INVITE) while "
            "the voice platform's API warms an agent for it (stages the call), and then sends it "
            "on with the id of the agent that waits for it (X-Rounded-Call-Id). The caller hears "
            "ringing, and then an agent that is there at once."
        )
        table = Table.grid(padding=(0, 2))
        for who, what, where in (
            ("caller", "built in; plays the SIP trunk", f"127.0.0.1:{site.callers[HOST].port}"),
            ("sip-stager", "the real program", f"127.0.0.1:{site.ports.sip}"),
            ("API", "built in; a fake of the platform's API", site.api.url),
            ("agent", "built in; plays the voice agent", f"127.0.0.1:{site.agent.port}"),
        ):
            table.add_row(Text(who, "bold"), what, Text(where, "dim"))
        self.console.print(Padding(table, (0, 0, 0, 2)))
        if self.console.width < WIDTH:
            self._say(f"(The ladders below look best in {WIDTH} columns or more.)", "dim")

    def open(self, chapter: Chapter, upstream: Mapping[str, Any]) -> None:
        """Announce a chapter, and what is set in it."""
        self.console.print()
        self.console.rule(Text(f"{chapter.name}: {chapter.title}", "bold magenta"))
        self.console.print(chapter.about, style="dim")
        self._show_settings("[api]", chapter.api)
        self._show_settings("[upstream]", upstream)

    def begin(self, first: int, scene: Scene, settings: Mapping[str, Any]) -> None:
        """Announce the calls of a scene; ``settings`` are those of their number."""
        last = first + len(scene.acts) - 1
        joint = "and" if last == first + 1 else "to"
        calls = f"Call {first}" if first == last else f"Calls {first} {joint} {last}"
        self.console.print()
        self.console.rule(Text(f"{calls}: {scene.title}", "bold"), align="left")
        self.console.print(scene.about, style="dim")
        self._show_settings("[[numbers]]", settings)
        self.console.print()

    def end(self, result: Result) -> None:
        """Say what came of a scene."""
        self.console.print()
        if result.differences:
            for difference in result.differences:
                self.console.print(f"=> Not as expected: {difference}.", style="bold red")
        else:
            self.console.print(f"=> {story(result)}", style="bold green")

    def summarise(self, results: Sequence[Result]) -> None:
        """Show all calls side by side."""
        self.console.print()
        self.console.rule(Text("Summary", "bold"), align="left")
        self.console.print(summary(results))
        for result in results:
            for difference in result.differences:
                self.console.print(f"{result.scene.title}: {difference}", style="red")

    def contents(self, chapters: Iterable[Chapter]) -> None:
        """List all chapters and scenes with the names that they are chosen by."""
        table = Table.grid(padding=(0, 2))
        for chapter in chapters:
            table.add_row(Text(chapter.name, "bold"), Text(chapter.title, "bold"))
            for scene in chapter.scenes:
                table.add_row(f"  {scene.name}", scene.title)
        self.console.print(table)
        self._say(
            f"{program()} demo NAME... plays whole chapters, or scenes by themselves; without a "
            "name it is the tour, and with --all everything."
        )

    def point_onward(self) -> None:
        """Say what to do next."""
        self.console.print(
            f"Next: {program()} demo --list shows what else there is to see, and {program()} demo "
            "--keep takes your own calls. For a real trunk: "
            f"{program()} example > sip_stager.toml, put in your numbers and agents, and run "
            f"{program()} check --config FILE (the README has the ten lines)."
        )

    def invite(self, site: Site, scenes: Sequence[Scene]) -> None:
        """Say what to dial, and where to look."""
        target = f"127.0.0.1:{site.ports.sip}"
        self.console.print()
        self.console.rule(Text("Your turn", "bold"), align="left")
        self._say("Dial with a softphone on this machine (no account; there is no sound):")
        table = Table.grid(padding=(0, 2))
        for scene in scenes:
            uri = f"sip:{scene.called}@{target}"
            table.add_row(Text(uri, "bold cyan"), scene.promised or scene.title)
        self.console.print(Padding(table, (0, 0, 0, 2)))
        self._say("or from another terminal:")
        for command in commands(scenes[0].called, target):
            self.console.print(f"  {command}", style="cyan", soft_wrap=True)
        self._say(f"Metrics: http://127.0.0.1:{site.ports.http}/metrics    Ctrl-C ends it.")

    def part(self) -> None:
        """Say that it is over."""
        self._say("Stopped; nothing is left behind.")

    def _show_settings(self, table: str, settings: Mapping[str, Any]) -> None:
        """Show settings as a file has them."""
        for key, value in settings.items():
            self.console.print(Text(f"{table} {key} = {toml(value)}", "cyan"))

    def _say(self, text: str, style: str = "") -> None:
        self.console.print()
        self.console.print(text, style=style)


def commands(number: str, target: str) -> list[str]:
    """Give commands that place a call, each with a program that is easily had."""
    baresip = (
        "baresip -f /tmp/baresip-demo -t 10 -e '/uanew sip:me@127.0.0.1;regint=0'"
        f" -e '/dial sip:{number}@{target}'"
    )
    scenario = Path("tests/interop/scenarios/caller_hangs_up.xml")  # sipp's own knows no proxy
    sipp = f"sipp -sf {scenario} -m 1 -d 2000 -s {number} {target}"
    return [sipp, baresip] if scenario.exists() else [baresip]


def program() -> str:
    """Give the command that the user started, as he would write it again."""
    path = Path(sys.argv[0]).absolute()
    if path.name != "sip-stager":
        return "sip-stager"
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else "sip-stager"


def _console() -> Console:
    """Prose as wide as the ladder; a pipe or a file gets no colours, by ``rich``'s own rule."""
    console = _Terminal(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console
