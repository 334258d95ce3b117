"""The report of a run: findings, tables for the terminal, and a JSON file."""

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

    from soak.run import Observations, Options

_MAX_UNJUDGED = 0.1  # fraction of the calls
_FILL_TIME = 60  # seconds until all stores are full: timer D is 32 s, and the rate rises slowly
_MAX_GROWTH, _GROWTH_TOLERANCE = 0.05, 2 * 2**20  # fraction, bytes
_BUCKET = re.compile(r'event_loop_lag_seconds_bucket\{le="([^"]+)"\}')


class Finding(NamedTuple):
    """One requirement of a run, and whether it is met."""

    subject: str
    value: str
    passed: bool


def findings(observed: Observations) -> Iterator[Finding]:
    """Yield a finding for each requirement."""
    traffic, samples = observed.traffic, observed.samples
    yield Finding("unexplained calls", f"{len(traffic.unexplained)}", not traffic.unexplained)
    passed = traffic.unjudged <= _MAX_UNJUDGED * traffic.placed
    value = f"{traffic.unjudged} in {len(traffic.stalls)} stalls"
    yield Finding("calls not judged, because the machine stood still", value, passed)
    nonzero = {name: value for name, value in observed.gauges.items() if value}
    passed = not nonzero and bool(observed.gauges)
    yield Finding("gauges that are not zero", f"{nonzero or 0}", passed)
    active = observed.active_api_requests
    yield Finding("API requests still active", f"{active}", not active)
    yield _check_memory(observed.memory)
    before, after = observed.open_files
    yield Finding("open files, before and after", f"{before}, {after}", after <= before)
    for metric in ("messages_dropped_total", "stagings_ended_total"):
        errors = sum(
            value for name, value in samples.items() if metric in name and "internal_error" in name
        )
        yield Finding(f"internal errors in {metric}", f"{errors:g}", not errors)
    lost = _unaccounted(samples)
    yield Finding("staged ids neither answered, wasted nor reserved", f"{lost:g}", not lost)
    lines = samples["sip_stager_log_lines_dropped_total"]
    yield Finding("dropped log lines", f"{lines:g}", not lines)
    yield Finding("errors in the log", f"{len(observed.errors)}", not observed.errors)
    yield Finding("exit code", f"{observed.exit_code}", not observed.exit_code)


def _unaccounted(samples: dict[str, float]) -> float:
    """Return how many staged ids the program has lost track of; all calls have ended."""

    def total(metric: str, label: str = "") -> float:
        return sum(
            n for name, n in samples.items() if f"sip_stager_{metric}" in name and label in name
        )

    ended = total("stagings_answered") + total("stagings_wasted") + total("stagings_reserved")
    never_staged = total("stagings_wasted", 'reason="abandoned"')
    return total("stagings_ended", 'outcome="staged"') - (ended - never_staged)


def _check_memory(samples: list[int]) -> Finding:
    """Compare the memory in the last tenth of the load with the second, all stores being full."""
    tenth = len(samples) // 10
    start = max(tenth, _FILL_TIME)
    if len(samples) - tenth < start + tenth or not tenth:
        return Finding("memory, MiB", "the run was too short to tell", passed=True)
    early, late = median(samples[start : start + tenth]), median(samples[-tenth:])
    value = f"{early / 2**20:.1f}, {late / 2**20:.1f}"
    passed = late <= early * (1 + _MAX_GROWTH) + _GROWTH_TOLERANCE
    return Finding("memory, MiB, second tenth and last", value, passed)


def key_figures(observed: Observations) -> Iterator[tuple[str, str]]:
    """Yield other figures of interest."""
    traffic = observed.traffic
    rate = traffic.placed / observed.seconds
    yield "calls", f"{traffic.judged} in {observed.seconds:.0f} s, {rate:.0f} per second"
    yield "CPU per call, ms", f"{observed.cpu_seconds / max(1, traffic.placed) * 1000:.2f}"
    yield "datagrams lost on purpose", f"{traffic.lost}"
    yield (
        "TCP connections ended",
        ", ".join(
            f"{count} {ending}" for ending, count in sorted(traffic.connections.ends.items())
        ),
    )
    yield (
        "requests to the API",
        f"{observed.api['stage_requests']}, {observed.api['aborted']} closed by us",
    )
    resent = sum(v for name, v in observed.samples.items() if "retransmissions_sent" in name)
    yield "retransmissions", f"{resent:g}"
    yield "messages dropped", _by_label(observed.samples, "messages_dropped_total")
    yield "event loop lag, ms", _lag(observed.samples)


def _by_label(samples: dict[str, float], metric: str) -> str:
    found = {
        name.partition('"')[2].partition('"')[0]: value
        for name, value in samples.items()
        if metric in name
    }
    return ", ".join(f"{value:g} {label}" for label, value in sorted(found.items()))


def _lag(samples: dict[str, float]) -> str:
    """Return the bucket bounds of some quantiles, and the maximum."""
    buckets = [
        (float(found[1]), value)
        for name, value in samples.items()
        if (found := _BUCKET.search(name))
    ]
    total = buckets[-1][1]
    quantiles = [
        f"{share:.3%}".rstrip("0%").rstrip(".") + f"% below {bound * 1000:g}"
        for share in (0.5, 0.99, 0.999)
        for bound in [next(bound for bound, value in buckets if value >= share * total)]
    ]
    worst = samples["sip_stager_event_loop_lag_max_seconds"] * 1000
    return f"{', '.join(quantiles)}; worst of the last minute {worst:.1f}"


def outcome_table(observed: Observations, side: int) -> Table:
    """Return a table of outcomes by what one side did: 0 is the caller, 1 the far side."""
    counts: dict[str, Counter[str]] = {}
    for key, count in observed.traffic.outcomes.items():
        counts.setdefault(key[side], Counter())[key[2]] += count
    table = Table(("caller", "API or callee")[side], "calls", "the caller got")
    for name, statuses in sorted(counts.items()):
        words = ", ".join(f"{outcome}: {count}" for outcome, count in statuses.most_common())
        table.add_row(name, f"{statuses.total()}", words)
    return table


def findings_table(observed: Observations) -> Table:
    """Return a table of the findings and the other figures."""
    table = Table("", "", "")
    for finding in findings(observed):
        table.add_row(finding.subject, finding.value, "" if finding.passed else "[bold red]FAIL")
    table.add_section()
    for name, value in key_figures(observed):
        table.add_row(name, value, "")
    return table


def write_json(observed: Observations, options: Options, path: Path) -> None:
    """Write the whole report as JSON, with the outcomes of each pair of what both sides did."""
    pairs: dict[str, dict[str, int]] = {}
    for (caller, far_side, outcome), count in sorted(observed.traffic.outcomes.items()):
        pairs.setdefault(f"{caller} / {far_side}", {})[outcome] = count
    document: dict[str, Any] = {
        "options": {**asdict(options), "timers": options.timers._asdict()},
        "in_time": observed.in_time,
        "findings": [finding._asdict() for finding in findings(observed)],
        "figures": dict(key_figures(observed)),
        "pairs": pairs,
        "unexplained": observed.traffic.unexplained,
        "traces": observed.traffic.traces,
        "errors": observed.errors,
        "memory": observed.memory,
        "metrics": observed.samples,
        "api": observed.api,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2) + "\n")
