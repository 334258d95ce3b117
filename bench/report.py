"""The benchmark's table and its JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from bench.targets import Verdict, verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from bench.interpreter import Interpreter
    from bench.measurement import Measured

CAPTION = """\
times in ms · added: the caller's INVITE to 180, less what the API really held, less direct
direct: the median of INVITE to 180 between the SIPps alone · nominal p50: less the API's delay as \
it was told
asked: requests to stage a call that the API had; claims: each caller had hung up on a call that \
was being staged before, and nothing is to be staged again
in>out: INVITE (less the API) and 180 through the program · CPU and memory: the program's processes
API CPU: of the fake API for a request, how fast the machine was then · (≤ target): the figure is \
held to it"""
_WITH_KAMAILIO = """
(ours nx): sip-stager has n times the figure · Kamailio's processes share memory: no sum"""


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
                | ({"ratios": asdict(ratios(point, point.kamailio))} if point.kamailio else {})
                for point in self.points
            ],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_finite(shown), indent=2) + "\n")

    def table(self) -> Table:
        """Return it for the terminal."""
        caption = f"{CAPTION}\nnice value of the proxy: {self.machine.get('priority', 'as it was')}"
        caption += _WITH_KAMAILIO * any(point.kamailio for point in self.points)
        table = Table(caption=caption, caption_justify="left", title=str(self.interpreter))
        table.add_column("")
        for column in ("cps", "API", "calls", "failed", "asked", "repeated", "CPU/call", "API CPU"):
            table.add_column(column, justify="right")
        for column in ("p50", "p95", "p99"):
            table.add_column(f"added {column}", justify="right")
        for column in ("nominal p50", "direct", "INVITE in>out", "180 in>out", "MiB", "load"):
            table.add_column(column, justify="right")
        for point in self.points:
            table.add_row(*_row(point))
            if point.kamailio:
                table.add_row(*_kamailio_row(point, point.kamailio))
        return table


@dataclass(frozen=True, slots=True)
class Ratios:
    """Our figures in Kamailio's; of times that are below a clock's noise they say little."""

    cpu_per_call: float
    added_p50: float
    added_p99: float


def ratios(ours: Measured, kamailio: Measured) -> Ratios:
    """Return the ratios; where Kamailio's figure is not above zero it is not a number."""
    return Ratios(
        _ratio(ours.cpu_per_call, kamailio.cpu_per_call),
        _ratio(ours.added.p50, kamailio.added.p50),
        _ratio(ours.added.p99, kamailio.added.p99),
    )


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs > 0 else nan


def _finite(shown: Any) -> Any:
    """Put null where a figure is not a number: JSON has no word for it."""
    match shown:
        case dict():
            return {key: _finite(value) for key, value in shown.items()}
        case list():
            return [_finite(each) for each in shown]
        case float() if not isfinite(shown):
            return None
    return shown


def _row(point: Measured) -> list[Text | str]:
    held_to = {verdict.what: verdict for verdict in verdicts(point)}
    return _cells(
        point,
        failed=_judged(f"{point.failed}", held_to.get("failed")),
        asked=_judged(f"{point.asked}", held_to.get("asked")),
        cpu=_judged(f"{point.cpu_per_call:.2f}", held_to.get("cpu")),
        p50=_judged(f"{point.added.p50:.2f}", held_to.get("p50")),
        p99=_judged(f"{point.added.p99:.2f}", held_to.get("p99")),
        memory=f"{point.peak_memory:.0f}",
    )


def _kamailio_row(ours: Measured, kamailio: Measured) -> list[Text | str]:
    ratio = ratios(ours, kamailio)
    return _cells(
        kamailio,
        failed=Text(str(kamailio.failed)),
        asked=Text(str(kamailio.asked)),
        cpu=Text(f"{kamailio.cpu_per_call:.2f} (ours {ratio.cpu_per_call:.1f}x)"),
        p50=Text(f"{kamailio.added.p50:.2f} (ours {ratio.added_p50:.1f}x)"),
        p99=Text(f"{kamailio.added.p99:.2f} (ours {ratio.added_p99:.1f}x)"),
        memory="",
    )


def _cells(
    point: Measured, *, failed: Text, asked: Text, cpu: Text, p50: Text, p99: Text, memory: str
) -> list[Text | str]:
    return [
        point.name,
        str(point.rate),
        f"{point.delay:g}",
        str(point.calls),
        failed,
        asked,
        str(point.retransmissions),
        cpu,
        f"{point.api_cpu:.2f}",
        p50,
        f"{point.added.p95:.2f}",
        p99,
        f"{point.added_to_nominal.p50:.2f}",
        f"{point.direct:.2f}",
        f"{point.invite_through.p50:.2f}",
        f"{point.ringing_through.p50:.2f}",
        memory,
        f"{point.load_average:.1f}",
    ]


def _judged(figure: str, verdict: Verdict | None) -> Text:
    """Put the target and pass or fail beside the figure."""
    if verdict is None:
        return Text(figure)
    word, style = ("pass", "green") if verdict.met else ("FAIL", "bold red")
    return Text(f"{figure} (≤{verdict.at_most:g} {word})", style=style)
