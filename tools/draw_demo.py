"""Draws docs/images/demo.svg: two calls of the demo as a terminal shows them (``make pictures``).

The demo is played, and ``rich`` exports what it printed.  Times and ids differ each time;
``words`` leaves them out, so that a test can hold the picture to what the demo prints now.
"""

from __future__ import annotations

import asyncio
import html
import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from sip_stager.demo.chapters import select_chapters
from sip_stager.demo.output import WIDTH, DemoOutput
from sip_stager.demo.participants import Participants
from sip_stager.demo.scene_runner import ProxyObserver, run_scene
from sip_stager.observability.ladder import Ladder

PICTURE = Path(__file__).parent.parent / "docs/images/demo.svg"
SCENES = ("good", "hangup")
COMMAND = "sip-stager demo"

# Bright colours on a dark ground, for what the terminal dims must still be read.
_NORMAL = [
    (110, 118, 129),  # black
    (255, 123, 114),  # red
    (126, 231, 135),  # green
    (242, 204, 96),  # yellow
    (121, 192, 255),  # blue
    (226, 184, 255),  # magenta
    (118, 227, 234),  # cyan
    (230, 237, 243),  # white
]
THEME = TerminalTheme((13, 17, 23), (230, 237, 243), _NORMAL, _NORMAL)


async def play(console: Console) -> None:
    """Play the scenes, and print them to a console."""
    output, observer = DemoOutput(console), ProxyObserver()
    ladder = Ladder(console, shown=str)
    calls = 0
    console.print(Text.assemble(("$ ", "dim"), (COMMAND, "bold")))
    for chapter in select_chapters(SCENES):
        async with Participants(chapter, [observer.handlers, ladder.handlers]) as participants:
            for scene in chapter.scenes:
                output.announce_calls(calls + 1, scene, participants.number_settings(scene))
                ladder.heading()
                output.show_result(await run_scene(scene, participants, observer))
                calls += len(scene.calls)


def picture() -> str:
    """Play the demo, and return what it printed as SVG."""
    console = Console(
        record=True,
        width=WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        highlight=False,
        markup=False,
        emoji=False,
    )
    asyncio.run(play(console))
    return without_fonts(console.export_svg(title=COMMAND, theme=THEME, unique_id="demo"))


def without_fonts(svg: str) -> str:
    """Remove the fonts that the picture would load from elsewhere."""
    return re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)


def words(svg: str) -> list[str]:
    """Return the texts of a picture without numbers, ids and blanks, sorted."""
    texts = (html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg))
    masked = (re.sub(r"[0-9a-f]{4,}\.\.\.|[\d.]+( m?s\b)?|\s", "", text) for text in texts)
    return sorted(filter(None, masked))


def main() -> int:
    """Write the picture."""
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
