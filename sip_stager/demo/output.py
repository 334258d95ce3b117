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
from sip_stager.demo.outcome_text import outcome_sentence, summary_table, toml_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sip_stager.demo.participants import Participants
    from sip_stager.demo.scene import Chapter, Scene
    from sip_stager.demo.scene_result import SceneResult

WIDTH = 80
"""Columns of a ladder."""


class _Terminal(Console):
    """A console that ends the program when its reader is gone (``| head``), as shell tools do."""

    def on_broken_pipe(self) -> None:
        """End by SIGPIPE: an exception here would pass through the proxy, whose events we print."""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.raise_signal(signal.SIGPIPE)


class DemoOutput:
    """Prints to a terminal, or without colours to a pipe or a file."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _console()

    def introduce(self, participants: Participants) -> None:
        """Print what the demo shows and which programs take part."""
        self._print("sip-stager demo: all on this machine, no account, no trunk, no key", "bold")
        self._print(
            "A voice agent needs a moment to warm up. sip-stager holds each call (INVITE) while "
            "the voice platform's API warms up an agent for it (stages the call). Then it forwards "
            "the call with the id of the waiting agent (X-Rounded-Call-Id). The caller hears "
            "ringing, and then an agent that is ready."
        )
        table = Table.grid(padding=(0, 2))
        for name, role, address in (
            (
                "caller",
                "built in; plays the SIP trunk",
                f"{HOST}:{participants.callers[HOST].port}",
            ),
            ("sip-stager", "the real program", f"{HOST}:{participants.ports.sip}"),
            ("API", "built in; a fake of the platform's API", participants.api.url),
            ("agent", "built in; plays the voice agent", f"{HOST}:{participants.agent.port}"),
        ):
            table.add_row(Text(name, "bold"), role, Text(address, "dim"))
        self.console.print(Padding(table, (0, 0, 0, 2)))
        if self.console.width < WIDTH:
            self._print(f"(The ladders below look best in {WIDTH} columns or more.)", "dim")

    def announce_chapter(self, chapter: Chapter, upstream: Mapping[str, Any]) -> None:
        """Print the title of a chapter and its settings."""
        self.console.print()
        self.console.rule(Text(f"{chapter.name}: {chapter.title}", "bold magenta"))
        self.console.print(chapter.about, style="dim")
        self._print_settings("[api]", chapter.api)
        self._print_settings("[upstream]", upstream)

    def announce_calls(self, first: int, scene: Scene, settings: Mapping[str, Any]) -> None:
        """Print the title of a scene and the ``settings`` of its number."""
        last = first + len(scene.calls) - 1
        joint = "and" if last == first + 1 else "to"
        calls = f"Call {first}" if first == last else f"Calls {first} {joint} {last}"
        self.console.print()
        self.console.rule(Text(f"{calls}: {scene.title}", "bold"), align="left")
        self.console.print(scene.about, style="dim")
        self._print_settings("[[numbers]]", settings)
        self.console.print()

    def show_result(self, result: SceneResult) -> None:
        """Print the outcome of a scene."""
        self.console.print()
        if result.differences:
            for difference in result.differences:
                self.console.print(f"=> Not as expected: {difference}.", style="bold red")
        else:
            self.console.print(f"=> {outcome_sentence(result)}", style="bold green")

    def summarise(self, results: Sequence[SceneResult]) -> None:
        """Print the table of all scenes, and every result that was not expected."""
        self.console.print()
        self.console.rule(Text("Summary", "bold"), align="left")
        self.console.print(summary_table(results))
        for result in results:
            for difference in result.differences:
                self.console.print(f"{result.scene.title}: {difference}", style="red")

    def list_chapters(self, chapters: Iterable[Chapter]) -> None:
        """Print the names and titles of all chapters and scenes."""
        table = Table.grid(padding=(0, 2))
        for chapter in chapters:
            table.add_row(Text(chapter.name, "bold"), Text(chapter.title, "bold"))
            for scene in chapter.scenes:
                table.add_row(f"  {scene.name}", scene.title)
        self.console.print(table)
        self._print(
            f"{program()} demo NAME... plays chapters or single scenes; without a name it plays "
            "the tour, with --all everything."
        )

    def show_next_steps(self) -> None:
        """Print what the user can do next."""
        self.console.print(
            f"Next: {program()} demo --list shows what else there is to see, and {program()} demo "
            "--keep accepts your own calls. For a real trunk: "
            f"{program()} example > sip_stager.toml, enter your numbers and agents, and run "
            f"{program()} check --config FILE (the README has the ten lines)."
        )

    def show_how_to_dial(self, participants: Participants, scenes: Sequence[Scene]) -> None:
        """Print the URIs that the user can dial, and the address of the metrics."""
        target = f"{HOST}:{participants.ports.sip}"
        self.console.print()
        self.console.rule(Text("Your turn", "bold"), align="left")
        self._print("Dial with a softphone on this machine (no account; there is no sound):")
        table = Table.grid(padding=(0, 2))
        for scene in scenes:
            uri = f"sip:{scene.called_number}@{target}"
            table.add_row(Text(uri, "bold cyan"), scene.softphone_hint or scene.title)
        self.console.print(Padding(table, (0, 0, 0, 2)))
        self._print("or from another terminal:")
        for command in dial_commands(scenes[0].called_number, target):
            self.console.print(f"  {command}", style="cyan", soft_wrap=True)
        self._print(f"Metrics: http://{HOST}:{participants.ports.http}/metrics    Ctrl-C ends it.")

    def show_stopped(self) -> None:
        """Print that the demo has ended."""
        self._print("Stopped; nothing is left behind.")

    def _print_settings(self, table: str, settings: Mapping[str, Any]) -> None:
        """Print settings as they stand in a settings file."""
        for key, value in settings.items():
            self.console.print(Text(f"{table} {key} = {toml_value(value)}", "cyan"))

    def _print(self, text: str, style: str = "") -> None:
        self.console.print()
        self.console.print(text, style=style)


def dial_commands(number: str, target: str) -> list[str]:
    """Return shell commands that place a call with common programs."""
    baresip = (
        "baresip -f /tmp/baresip-demo -t 10 -e '/uanew sip:me@127.0.0.1;regint=0'"
        f" -e '/dial sip:{number}@{target}'"
    )
    # SIPp's built-in scenario ignores Record-Route, so its BYE would not find its way back.
    scenario = Path("tests/interop/scenarios/caller_hangs_up.xml")
    sipp = f"sipp -sf {scenario} -m 1 -d 2000 -s {number} {target}"
    return [sipp, baresip] if scenario.exists() else [baresip]


def program() -> str:
    """Return the command that the user started, in a form that can be typed again."""
    path = Path(sys.argv[0]).absolute()
    if path.name != "sip-stager":
        return "sip-stager"
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else "sip-stager"


def _console() -> Console:
    """Return a console no wider than a ladder; ``rich`` omits colours in pipes and files."""
    console = _Terminal(highlight=False, markup=False, emoji=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    return console
