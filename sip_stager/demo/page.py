"""What the demo prints around its ladders."""

from __future__ import annotations

import json
import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sip_stager.demo.endpoint import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sip_stager.demo.result import Result
    from sip_stager.demo.scenario import Chapter, Scene
    from sip_stager.demo.site import Site

WIDTH = 80
"""Columns that the ladder takes."""
_SHORT = {
    "Request Terminated": "Terminated",
    "Service Un": "Un",
    "Temporarily ": "",
    " Temporarily": "",
}


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

    def open(self, chapter: Chapter) -> None:
        """Announce a chapter, and what is set in it."""
        self.console.print()
        self.console.rule(Text(f"{chapter.name}: {chapter.title}", "bold magenta"))
        self.console.print(chapter.about, style="dim")
        self._show_settings("[api]", chapter.api)

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
        table = Table(box=box.SIMPLE, pad_edge=False, header_style="bold", safe_box=True)
        for name in ("call", "the caller got", "rang after", "id at agent", "verdict"):
            table.add_column(name, justify="right" if name == "rang after" else "left")
        for result in results:
            table.add_row(*_row(result))
        self.console.print(table)
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
            "--keep takes your own calls. For a real trunk: copy "
            "config/sip_stager.example.toml, put in your numbers and agents, and run "
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


def story(result: Result) -> str:
    """Tell in a sentence what was shown, with what was measured of the last call."""
    last = result.calls[-1]
    rang = last.heard.rings_after or 0.0
    return result.scene.shown.format(
        rang=_seconds(rang),
        warming=_seconds(result.warming),
        rest=f"{(rang - result.warming) * 1000:.1f} ms",
        over=_seconds(last.heard.over_after),
        cause=last.cause,
        asked=", ".join(f"{agent[:8]}..." for agent in result.asked),
        told=", ".join(f"{name} = {toml(value)}" for name, value in result.told.items()),
    )


def toml(value: Any) -> str:
    """Write a value of the settings as it stands in a file."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


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
    console = Console(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console


def _row(result: Result) -> tuple[str | Text, ...]:
    last = result.calls[-1]
    rang = last.heard.rings_after
    call_id = last.ids[-1] if last.ids else ""
    return (
        result.scene.title,
        _finals(result),
        "-" if rang is None else _seconds(rang),
        f"{call_id[:8]}..." if call_id else "none" if last.reached else "-",
        Text("DIFFERS", "bold red") if result.differences else Text("as expected", "green"),
    )


def _finals(result: Result) -> str:
    finals = [call.heard.final for call in result.calls]
    if len(finals) > 1:
        runs = [(status, len([*same])) for status, same in groupby(final[:3] for final in finals)]
        return ", ".join(status if times == 1 else f"{times}x {status}" for status, times in runs)
    for long, short in _SHORT.items():
        finals[0] = finals[0].replace(long, short)
    return finals[0]


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
