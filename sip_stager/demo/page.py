"""What the demo prints around its ladders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.demo.scenario import Result, Scene
    from sip_stager.demo.site import Site

WIDTH = 80
"""Columns that the ladder takes."""


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
            ("caller", "built in; plays the SIP trunk", f"127.0.0.1:{site.caller.port}"),
            ("sip-stager", "the real program", f"127.0.0.1:{site.ports.sip}"),
            ("API", "built in; a fake of the platform's API", site.api.url),
            ("agent", "built in; plays the voice agent", f"127.0.0.1:{site.agent.port}"),
        ):
            table.add_row(Text(who, "bold"), what, Text(where, "dim"))
        self.console.print(Padding(table, (0, 0, 0, 2)))
        if self.console.width < WIDTH:
            self._say(f"(The ladders below look best in {WIDTH} columns or more.)", "dim")

    def begin(self, ordinal: int, scene: Scene) -> None:
        """Announce a call."""
        self.console.print()
        self.console.rule(Text(f"Call {ordinal}: {scene.title}", "bold"), align="left")
        self.console.print(scene.about, style="dim")
        self.console.print()

    def end(self, result: Result) -> None:
        """Say what came of a call."""
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
            good = not result.differences
            table.add_row(
                result.scene.title,
                _final(result),
                _seconds(result.rings_after) if result.rings_after is not None else "-",
                result.at_agent[:8] + "..." if result.at_agent else "-",
                Text("as expected" if good else "DIFFERS", "green" if good else "bold red"),
            )
        self.console.print(table)
        for result in results:
            for difference in result.differences:
                self.console.print(f"{result.scene.title}: {difference}", style="red")

    def point_onward(self) -> None:
        """Say what to do next."""
        self.console.print(
            f"Next: {program()} demo --keep takes your own calls. For a real trunk: copy "
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
            table.add_row(Text(f"sip:{scene.number}@{target}", "bold cyan"), scene.dialled)
        self.console.print(Padding(table, (0, 0, 0, 2)))
        self._say("or from another terminal:")
        for command in commands(scenes[0].number, target):
            self.console.print(f"  {command}", style="cyan", soft_wrap=True)
        self._say(f"Metrics: http://127.0.0.1:{site.ports.http}/metrics    Ctrl-C ends it.")

    def part(self) -> None:
        """Say that it is over."""
        self._say("Stopped; nothing is left behind.")

    def _say(self, text: str, style: str = "") -> None:
        self.console.print()
        self.console.print(text, style=style)


def story(result: Result) -> str:
    """Tell in a sentence how a call went."""
    if result.rings_after is not None:
        rest = (result.rings_after - result.warming) * 1000
        return (
            f"It rang after {_seconds(result.rings_after)}: {_seconds(result.warming)} to warm the "
            f"agent up, {rest:.1f} ms for all else."
        )
    if result.cause:
        after = _seconds(result.over_after)
        return f"The caller was refused after {after}, and knows why: {result.cause}."
    return "The caller was let go at once; the agent was not disturbed."


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


def _final(result: Result) -> str:
    words = {200: "200 OK", 487: "487 Terminated", 503: "503 Unavailable"}
    return words.get(result.status, str(result.status) if result.status else "no answer")


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
