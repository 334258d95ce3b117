"""One load: SIPp on both sides, and a capture of what passed between them."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.capture import Capture
from tests.bench.latency import Times, call_times
from tests.interop.ports import free_port
from tests.interop.program import NUMBER
from tests.interop.sipp import Sipp

_SCENARIOS = Path(__file__).parent / "scenarios"
_GRACE = 40  # seconds that the last calls may take: more than timer B
# A scheduler of one millisecond sends calls one by one, where SIPp's ten come in bunches.
_TUNING = ("-timer_resol", "1", "-buff_size", "4194304", "-deadcall_wait", "4000", "-f", "60")


@dataclass(frozen=True, slots=True)
class Load:
    """``rate`` is in calls per second, ``seconds`` how long it lasts, ``hold`` a call's length."""

    rate: int
    seconds: float
    hold: float = 0.1

    @property
    def calls(self) -> int:
        """How many calls it is."""
        return round(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a load: SIPp's own figures of both sides, and each call's times."""

    failed: int
    retransmissions: int
    calls: list[Times]
    packets_dropped: int


class Pair:
    """A callee and a caller around whoever listens on ``edge``, or around nobody."""

    def __init__(self, load: Load, directory: Path, callee_port: int, edge: int = 0) -> None:
        self._load, self._directory = load, directory
        self._callee_port, self._edge = callee_port, edge or callee_port
        self._name = f"{load.rate}cps"

    def play(self) -> Outcome:
        """Place the calls; return when the last has ended."""
        with ExitStack() as children:
            capture = Capture((self._callee_port, self._edge), self._directory, self._name)
            children.callback(capture.stop)
            capture.wait_ready()
            callee = self._sipp("load_callee", self._callee_port)
            children.callback(callee.stop)
            callee.wait_bound()
            caller = self._caller()
            children.callback(caller.stop)
            caller.wait(self._load.seconds + 2 * _GRACE)
            capture.finish()
        return self._outcome(capture)

    def _caller(self) -> Sipp:
        load = self._load
        return self._sipp(
            "load_caller",
            free_port(),
            *(f"127.0.0.1:{self._edge}", "-s", NUMBER, "-d", str(round(load.hold * 1000))),
            *("-r", str(load.rate), "-l", str(load.calls)),
        )

    def _sipp(self, scenario: str, port: int, *options: str) -> Sipp:
        return Sipp(
            scenario,
            self._directory,
            port=port,
            scenarios=_SCENARIOS,
            calls=self._load.calls,
            longest=self._load.seconds + _GRACE,
            trace=False,
            options=(*_TUNING, "-trace_stat", "-stf", str(self._statistics(scenario)), *options),
        )

    def _statistics(self, scenario: str) -> Path:
        return self._directory / f"{scenario}-{self._name}.csv"

    def _outcome(self, capture: Capture) -> Outcome:
        caller, callee = (
            _last_row(self._statistics(name)) for name in ("load_caller", "load_callee")
        )
        return Outcome(
            failed=self._load.calls - int(caller["SuccessfulCall(C)"]),
            retransmissions=int(caller["Retransmissions(C)"]) + int(callee["Retransmissions(C)"]),
            calls=call_times(capture.path, self._edge),
            packets_dropped=capture.dropped(),
        )


def _last_row(path: Path) -> dict[str, str]:
    """Return the last line of SIPp's statistics: the sums at its end."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))[-1]
