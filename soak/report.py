"""What came of a run: findings, a table for the terminal, and JSON."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from soak.run import Seen, Wanted

_FEW = 0.1  # a part
_FILLED = 60  # seconds: timer D keeps transactions for 32, and the rate rises slowly
_GROWTH, _SLACK = 0.05, 2 * 2**20  # a part, and bytes
_BUCKET = re.compile(r'event_loop_lag_seconds_bucket\{le="([^"]+)"\}')


class Finding(NamedTuple):
    """One thing that a run is held to."""

    what: str
    value: str
    kept: bool


def findings(seen: Seen) -> Iterator[Finding]:
    """Yield what the run is held to."""
    soak, figures = seen.soak, seen.figures
    yield Finding("calls without an explanation", f"{len(soak.strange)}", not soak.strange)
    few = soak.unjudged <= _FEW * soak.placed
    value = f"{soak.unjudged} in {len(soak.stalls)} moments"
    yield Finding("calls unjudged, as the machine stood still", value, few)
    left = {name: value for name, value in seen.gauges.items() if value}
    yield Finding("gauges that are not zero", f"{left or 0}", not left and bool(seen.gauges))
    yield Finding("requests that the API still holds", f"{seen.held_by_api}", not seen.held_by_api)
    yield _memory(seen.memory)
    before, after = seen.open_files
    yield Finding("open files, before and after", f"{before}, {after}", after <= before)
    for cause in ("messages_dropped_total", "stagings_ended_total"):
        own = sum(
            value for name, value in figures.items() if cause in name and "internal_error" in name
        )
        yield Finding(f"own mistakes in {cause}", f"{own:g}", not own)
    lost = _unaccounted(figures)
    yield Finding("staged ids not answered, wasted or kept", f"{lost:g}", not lost)
    lines = figures["sip_stager_log_lines_dropped_total"]
    yield Finding("log lines lost", f"{lines:g}", not lines)
    yield Finding("errors in the log", f"{len(seen.errors)}", not seen.errors)
    yield Finding("exit code", f"{seen.exit_code}", not seen.exit_code)


def _unaccounted(series: dict[str, float]) -> float:
    """Count the ids of which the program has lost track; no call is under way any more."""

    def total(metric: str, label: str = "") -> float:
        return sum(
            n for name, n in series.items() if f"sip_stager_{metric}" in name and label in name
        )

    ended = total("stagings_answered") + total("stagings_wasted") + total("stagings_reserved")
    never_staged = total("stagings_wasted", 'reason="abandoned"')
    return total("stagings_ended", 'outcome="staged"') - (ended - never_staged)


def _memory(samples: list[int]) -> Finding:
    """Compare the second tenth of the load, not before every store is filled, with the last."""
    tenth = len(samples) // 10
    begins = max(tenth, _FILLED)
    if len(samples) - tenth < begins + tenth or not tenth:
        return Finding("memory, MiB", "too short a run to tell", kept=True)
    early, late = median(samples[begins : begins + tenth]), median(samples[-tenth:])
    value = f"{early / 2**20:.1f}, {late / 2**20:.1f}"
    kept = late <= early * (1 + _GROWTH) + _SLACK
    return Finding("memory, MiB, second tenth and last", value, kept)


def figures(seen: Seen) -> Iterator[tuple[str, str]]:
    """Yield what is worth knowing beside."""
    soak = seen.soak
    rate = soak.placed / seen.seconds
    yield "calls", f"{soak.judged} in {seen.seconds:.0f} s, {rate:.0f} per second"
    yield "CPU a call, ms", f"{seen.cpu_seconds / max(1, soak.placed) * 1000:.2f}"
    yield "datagrams lost on purpose", f"{soak.lost}"
    yield (
        "TCP connections ended",
        ", ".join(f"{count} {way}" for way, count in sorted(soak.connections.ends.items())),
    )
    yield "requests to the API", f"{seen.api['stage_requests']}, {seen.api['aborted']} closed by us"
    sent_again = sum(v for name, v in seen.figures.items() if "retransmissions_sent" in name)
    yield "retransmissions", f"{sent_again:g}"
    yield "messages dropped", _labelled(seen.figures, "messages_dropped_total")
    yield "event loop lag, ms", _lag(seen.figures)


def _labelled(series: dict[str, float], part: str) -> str:
    found = {
        name.partition('"')[2].partition('"')[0]: value
        for name, value in series.items()
        if part in name
    }
    return ", ".join(f"{value:g} {label}" for label, value in sorted(found.items()))


def _lag(series: dict[str, float]) -> str:
    """Give the bounds below which most of the measurements are."""
    buckets = [
        (float(found[1]), value)
        for name, value in series.items()
        if (found := _BUCKET.search(name))
    ]
    total = buckets[-1][1]
    shown = [
        f"{share:.3%}".rstrip("0%").rstrip(".") + f"% below {bound * 1000:g}"
        for share in (0.5, 0.99, 0.999)
        for bound in [next(bound for bound, value in buckets if value >= share * total)]
    ]
    worst = series["sip_stager_event_loop_lag_max_seconds"] * 1000
    return f"{', '.join(shown)}; worst of the last minute {worst:.1f}"


def outcomes(seen: Seen, side: int) -> Table:
    """Return how calls ended, by one side: 0 is the caller, 1 the far side."""
    counts: dict[str, Counter[str]] = {}
    for key, count in seen.soak.table.items():
        counts.setdefault(key[side], Counter())[key[2]] += count
    table = Table(("caller", "API or callee")[side], "calls", "the caller heard")
    for name, heard in sorted(counts.items()):
        words = ", ".join(f"{outcome}: {count}" for outcome, count in heard.most_common())
        table.add_row(name, f"{heard.total()}", words)
    return table


def judged(seen: Seen) -> Table:
    """Return the findings and the figures."""
    table = Table("", "", "")
    for finding in findings(seen):
        table.add_row(finding.what, finding.value, "" if finding.kept else "[bold red]FAIL")
    table.add_section()
    for name, value in figures(seen):
        table.add_row(name, value, "")
    return table


def write(seen: Seen, wanted: Wanted, path: Path) -> None:
    """Write all of it as JSON; the pairs of what the two sides did with the outcomes of each."""
    pairs: dict[str, dict[str, int]] = {}
    for (caller, far_side, outcome), count in sorted(seen.soak.table.items()):
        pairs.setdefault(f"{caller} / {far_side}", {})[outcome] = count
    shown: dict[str, Any] = {
        "wanted": {**asdict(wanted), "timers": wanted.timers._asdict()},
        "in_time": seen.in_time,
        "findings": [finding._asdict() for finding in findings(seen)],
        "figures": dict(figures(seen)),
        "pairs": pairs,
        "unexplained": seen.soak.strange,
        "traces": seen.soak.traces,
        "errors": seen.errors,
        "memory": seen.memory,
        "metrics": seen.figures,
        "api": seen.api,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(shown, indent=2) + "\n")
