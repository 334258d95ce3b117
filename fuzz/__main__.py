"""Fuzzes the program: ``python -m fuzz SECONDS [FOLDER of more cases]``.

Inputs are seeds and saved cases with random changes; a case that shows a new behaviour is changed
further.  A failing case is shortened and saved in ``corpus``, where its test fails until the fault
is fixed.  A quarter of the time goes to the state machine of ``tests/proxy/test_whole_call.py``.
"""

from __future__ import annotations

import gc
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from random import Random, SystemRandom
from time import monotonic
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console

from fuzz.corpus_files import FAILED_PREFIX, load_cases, save_case, select_corpus
from fuzz.fuzz_case import Case, make_case
from fuzz.mutation import mutate_case
from fuzz.seeds import seeds
from fuzz.targets import CaseResult, run_case
from tests.proxy.test_whole_call import TestWholeCall, WholeCall

if TYPE_CHECKING:
    from collections.abc import Hashable

TIME_LIMIT = 0.05
"""CPU seconds that one message may take."""
PROGRESS_INTERVAL = 10.0
"""Seconds between two lines of progress."""
SHORTENING_TIMEOUT = 10.0
"""Seconds for making a failing case shorter."""

print_line = Console(markup=False, highlight=False, soft_wrap=True).print


class TooSlow(AssertionError):
    """A message took longer than ``TIME_LIMIT`` three times."""


class Fuzzer:
    """Changes cases, and keeps those that show new behaviours."""

    def __init__(self, chance: Random) -> None:
        self._random = chance
        self._pool: list[tuple[Case, set[Hashable]]] = []
        self._behaviours: set[Hashable] = set()
        self.failed: dict[str, Path] = {}
        self.inputs = 0
        self.slowest = 0.0, "", 0

    def fuzz(self, until: float) -> None:
        """Run until a time of the monotonic clock."""
        started = printed = monotonic()
        while (now := monotonic()) < until:
            if now - printed >= PROGRESS_INTERVAL:
                printed = now
                self._print_progress(now - started)
            cases = [case for case, _ in self._pool]
            for _ in range(200):
                self.run(mutate_case(self._random, self._choose(cases), cases))
            gc.collect()  # the collector is off, so that it falls into no measured time
        self._print_progress(monotonic() - started)

    def run(self, case: Case) -> None:
        """Run a case, and keep it if it shows something new or fails."""
        self.inputs += 1
        try:
            result = run_timed(case)
        except Exception as error:  # noqa: BLE001  any exception is a finding
            self._save_failure(case, error)
            return
        self.slowest = max(self.slowest, (result.slowest, case.target, len(bytes(case))))
        if not result.behaviours <= self._behaviours:
            self._behaviours |= result.behaviours
            self._pool.append((case, result.behaviours))

    def renew_corpus(self) -> None:
        """Write the corpus to its folder."""
        size = select_corpus(self._pool)
        print_line(f"corpus: {size} bytes")

    def _choose(self, cases: list[Case]) -> Case:
        """Return a random case, newer ones more often."""
        return cases[-1 - int(len(cases) * self._random.random() ** 2)]

    def _save_failure(self, case: Case, error: Exception) -> None:
        failure = failure_name(error)
        if failure not in self.failed:
            path = self.failed[failure] = save_case(shorten(case, failure), FAILED_PREFIX)
            print_line(f"FOUND {failure}, saved as {path}")
            print_line("".join(traceback.format_exception(error)))

    def _print_progress(self, seconds: float) -> None:
        took, target, size = self.slowest
        print_line(
            f"{seconds:5.0f} s  {self.inputs} inputs  {self.inputs / seconds:.0f}/s"
            f"  {len(self._pool)} cases  {len(self._behaviours)} behaviours"
            f"  slowest {took * 1000:.1f} ms ({target}, {size} bytes)  {len(self.failed)} failures"
        )


def run_timed(case: Case) -> CaseResult:
    """Run a case and check its time; repeat a slow one twice, as the machine may be busy."""
    result = run_case(case)
    if result.slowest > TIME_LIMIT:
        result.slowest = min(result.slowest, run_case(case).slowest, run_case(case).slowest)
        if result.slowest > TIME_LIMIT:
            raise TooSlow(f"{case.target}: {result.slowest * 1000:.0f} ms")
    return result


def failure_name(error: Exception) -> str:
    """Return a name by which equal failures are recognised."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


def shorten(case: Case, failure: str) -> Case:
    """Return a shorter case with the same failure.

    Parts are removed in halving steps, as in delta debugging, until the time is up.
    """
    until = monotonic() + SHORTENING_TIMEOUT
    step = max(map(len, case.pieces))
    while step and monotonic() < until:
        shorter = next((one for one in _shorter(case, step) if fails(one, failure)), None)
        if shorter is None:
            step //= 2
        else:
            case = shorter
    return case


def _shorter(case: Case, step: int) -> list[Case]:
    """Return the cases that lack one piece, or ``step`` bytes of one."""
    pieces = case.pieces
    shorter = [pieces[:at] + pieces[at + 1 :] for at in range(len(pieces)) if len(pieces) > 1]
    for at, piece in enumerate(pieces):
        for start in range(0, len(piece), step):
            rest = piece[:start] + piece[start + step :]
            shorter.append((*pieces[:at], rest, *pieces[at + 1 :]))
    return [make_case(case.target, one) for one in shorter]


def fails(case: Case, failure: str) -> bool:
    """Return whether a case has this failure."""
    try:
        run_timed(case)
    except Exception as error:  # noqa: BLE001  any exception is a finding
        return failure_name(error) == failure
    return False


def whole_calls(until: float) -> int:
    """Run the state machine with new seeds; return how many calls it made."""
    calls = 0
    random_settings = settings(
        TestWholeCall.settings, derandomize=False, database=None, max_examples=100
    )
    while monotonic() < until:
        run_state_machine_as_test(WholeCall, settings=random_settings)
        calls += 100
    return calls


def main(seconds: float, *folders: str) -> bool:
    """Fuzz; return whether nothing was found."""
    seed = SystemRandom().randrange(2**32)
    print_line(f"seed {seed}")
    gc.disable()  # as in the program, so that no measured time includes a collection
    fuzzer = Fuzzer(Random(seed))
    for case in [
        *seeds(),
        *load_cases(),
        *(one for name in folders for one in load_cases(Path(name))),
    ]:
        fuzzer.run(case)
    until = monotonic() + seconds
    with suppress(KeyboardInterrupt):
        fuzzer.fuzz(until - seconds / 4)
    fuzzer.renew_corpus()
    gc.enable()
    print_line(f"{whole_calls(until)} whole calls at random")
    return not fuzzer.failed


if __name__ == "__main__":
    sys.exit(not main(float(sys.argv[1]), *sys.argv[2:]))
