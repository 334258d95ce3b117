"""The benchmark's table and its JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tests.bench.targets import Verdict, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.interpreter import Interpreter
    from tests.bench.point import Measured

CAPTION = """\
times in ms · added: the caller's INVITE to 180, less what the API really held, less direct
direct: the median of INVITE to 180 between the SIPps alone · nominal p50: less the API's delay as \
it was told
in>out: INVITE (less the API) and 180 through the program · CPU and memory: the program's processes
(≤ target): the figure is held to it"""


@dataclass(frozen=True, slots=True)
class Report:
    """A session of the benchmark."""

    interpreter: Interpreter
    machine: dict[str, str]
    points: list[Measured]

    def write(self, path: Path) -> None:
        """Write it as JSON, each point with its verdicts."""
        shown = {
            "interpreter": asdict(self.interpreter),
            "machine": self.machine,
            "points": [
                asdict(point)
                | {"verdicts": [asdict(each) | {"met": each.met} for each in verdicts(point)]}
                for point in self.points
            ],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(shown, indent=2) + "\n")

    def table(self) -> Table:
        """Return it for the terminal."""
        table = Table(caption=CAPTION, caption_justify="left", title=str(self.interpreter))
        for column in ("cps", "API", "calls", "failed", "repeated", "CPU/call"):
            table.add_column(column, justify="right")
        for column in ("p50", "p95", "p99"):
            table.add_column(f"added {column}", justify="right")
        for column in ("nominal p50", "direct", "INVITE in>out", "180 in>out", "MiB", "load"):
            table.add_column(column, justify="right")
        for point in self.points:
            table.add_row(*_row(point))
        return table


def _row(point: Measured) -> list[Text | str]:
    held_to = {verdict.what: verdict for verdict in verdicts(point)}
    return [
        str(point.rate),
        f"{point.delay:g}",
        str(point.calls),
        _judged(f"{point.failed}", held_to.get("failed")),
        str(point.retransmissions),
        _judged(f"{point.cpu_per_call:.2f}", held_to.get("cpu")),
        _judged(f"{point.added.p50:.2f}", held_to.get("p50")),
        _judged(f"{point.added.p95:.2f}", None),
        _judged(f"{point.added.p99:.2f}", held_to.get("p99")),
        f"{point.added_to_nominal.p50:.2f}",
        f"{point.direct:.2f}",
        f"{point.invite_through.p50:.2f}",
        f"{point.ringing_through.p50:.2f}",
        f"{point.peak_memory:.0f}",
        f"{point.load_average:.1f}",
    ]


def _judged(figure: str, verdict: Verdict | None) -> Text:
    """Put the target and pass or fail beside the figure."""
    if verdict is None:
        return Text(figure)
    word, style = ("pass", "green") if verdict.met else ("FAIL", "bold red")
    return Text(f"{figure} (≤{verdict.at_most:g} {word})", style=style)
