"""The table and the JSON file of the benchmark."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from bench.interpreter import Interpreter
from bench.measurement import Measurement
from bench.targets import Verdict, check_targets

if TYPE_CHECKING:
    from pathlib import Path


CAPTION = """\
times in ms · added: INVITE to 180 as the caller saw it, minus the measured API delay and direct
direct: the median of INVITE to 180 without the program
nominal p50: added p50, computed with the configured API delay
staged: requests to stage a call; claims: redials of calls that were staged before
in>out: INVITE (minus the API) and 180 through the program · CPU and memory: of its processes
API CPU: of the fake API per request, a measure of the machine's speed
(≤ target): the target of a figure"""
_WITH_KAMAILIO = """
(ours nx): sip-stager has n times this figure · no memory: Kamailio's processes share it"""


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run of the benchmark."""

    interpreter: Interpreter
    machine: dict[str, str]
    points: list[Measurement]

    def write(self, path: Path) -> None:
        """Write it as JSON, each point with its check_targets."""
        document = {
            "interpreter": asdict(self.interpreter),
            "machine": self.machine,
            "points": [
                asdict(point)
                | {
                    "check_targets": [
                        asdict(each) | {"met": each.met} for each in check_targets(point)
                    ]
                }
                | ({"ratios": asdict(ratios(point, point.kamailio))} if point.kamailio else {})
                for point in self.points
            ],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_finite(document), indent=2) + "\n")

    def table(self) -> Table:
        """Return the results as a table for the terminal."""
        caption = (
            f"{CAPTION}\nnice value of the program: {self.machine.get('priority', 'unchanged')}"
        )
        caption += _WITH_KAMAILIO * any(point.kamailio for point in self.points)
        table = Table(caption=caption, caption_justify="left", title=str(self.interpreter))
        table.add_column("")
        for column in ("cps", "API", "calls", "failed", "staged", "resent", "CPU/call", "API CPU"):
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
    """Our figures divided by Kamailio's; of times near a clock's resolution they mean little."""

    cpu_per_call: float
    added_p50: float
    added_p99: float


def ratios(ours: Measurement, kamailio: Measurement) -> Ratios:
    """Return the ratios; NaN if Kamailio's figure is not above zero."""
    return Ratios(
        _ratio(ours.cpu_per_call, kamailio.cpu_per_call),
        _ratio(ours.added.p50, kamailio.added.p50),
        _ratio(ours.added.p99, kamailio.added.p99),
    )


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs > 0 else nan


def _finite(value: Any) -> Any:
    """Replace NaN by null: JSON has no NaN."""
    match value:
        case dict():
            return {key: _finite(each) for key, each in value.items()}
        case list():
            return [_finite(each) for each in value]
        case float() if not isfinite(value):
            return None
    return value


def _row(point: Measurement) -> list[Text | str]:
    targets = {verdict.column: verdict for verdict in check_targets(point)}
    return _cells(
        point,
        failed=_with_verdict(f"{point.failed}", targets.get("failed")),
        staged=_with_verdict(f"{point.stage_requests}", targets.get("staged")),
        cpu=_with_verdict(f"{point.cpu_per_call:.2f}", targets.get("cpu")),
        p50=_with_verdict(f"{point.added.p50:.2f}", targets.get("p50")),
        p99=_with_verdict(f"{point.added.p99:.2f}", targets.get("p99")),
        memory=f"{point.peak_memory:.0f}",
    )


def _kamailio_row(ours: Measurement, kamailio: Measurement) -> list[Text | str]:
    ratio = ratios(ours, kamailio)
    return _cells(
        kamailio,
        failed=Text(str(kamailio.failed)),
        staged=Text(str(kamailio.stage_requests)),
        cpu=Text(f"{kamailio.cpu_per_call:.2f} (ours {ratio.cpu_per_call:.1f}x)"),
        p50=Text(f"{kamailio.added.p50:.2f} (ours {ratio.added_p50:.1f}x)"),
        p99=Text(f"{kamailio.added.p99:.2f} (ours {ratio.added_p99:.1f}x)"),
        memory="",
    )


def _cells(
    point: Measurement, *, failed: Text, staged: Text, cpu: Text, p50: Text, p99: Text, memory: str
) -> list[Text | str]:
    return [
        point.name,
        str(point.rate),
        f"{point.delay:g}",
        str(point.calls),
        failed,
        staged,
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


def _with_verdict(figure: str, verdict: Verdict | None) -> Text:
    """Return the figure with its target, and whether it passed."""
    if verdict is None:
        return Text(figure)
    word, style = ("pass", "green") if verdict.met else ("FAIL", "bold red")
    return Text(f"{figure} (≤{verdict.limit:g} {word})", style=style)
