"""Fuzzes the program for a time: ``python -m fuzz SECONDS [FOLDER of more cases]``.

Inputs are seeds and kept cases with damage; one that shows something new is damaged further.  What
fails is shortened, kept in ``corpus``, and makes its test fail until it is mended.  A quarter of
the time goes to the state machine of ``tests/proxy/test_whole_call.py``.
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

from fuzz.corpus_files import FAILED, keep, kept, renew
from fuzz.fuzz_case import Case, made
from fuzz.mutation import mutated
from fuzz.seeds import seeds
from fuzz.targets import Run, run
from tests.proxy.test_whole_call import TestWholeCall, WholeCall

if TYPE_CHECKING:
    from collections.abc import Hashable

PATIENCE = 0.05
"""Seconds that one message may take."""
PROGRESS = 10.0
"""Seconds between two lines about the progress."""


say = Console(markup=False, highlight=False, soft_wrap=True).print


class TooSlow(AssertionError):
    """A message took longer than ``PATIENCE``, three times."""


class Fuzzer:
    """Damages cases, and keeps those that show something new."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._pool: list[tuple[Case, set[Hashable]]] = []
        self._seen: set[Hashable] = set()
        self.failed: dict[str, Path] = {}
        self.inputs = 0
        self.slowest = 0.0, "", 0

    def fuzz(self, until: float) -> None:
        """Go on until this time."""
        began = shown = monotonic()
        while (now := monotonic()) < until:
            if now - shown >= PROGRESS:
                shown = now
                self._tell(now - began)
            cases = [case for case, _ in self._pool]
            for _ in range(200):
                self.take(mutated(self._chance, self._chosen(cases), cases))
            gc.collect()
        self._tell(monotonic() - began)

    def take(self, case: Case) -> None:
        """Run a case and keep what it is worth."""
        self.inputs += 1
        try:
            result = checked(case)
        except Exception as error:  # noqa: BLE001  whatever is raised is a finding
            self._found(case, error)
            return
        self.slowest = max(self.slowest, (result.slowest, case.target, len(bytes(case))))
        if not result.seen <= self._seen:
            self._seen |= result.seen
            self._pool.append((case, result.seen))

    def renew_corpus(self) -> None:
        """Write the corpus."""
        size = renew(self._pool)
        say(f"corpus: {size} bytes")

    def _chosen(self, cases: list[Case]) -> Case:
        """Choose the newest more often."""
        return cases[-1 - int(len(cases) * self._chance.random() ** 2)]

    def _found(self, case: Case, error: Exception) -> None:
        what = where(error)
        if what not in self.failed:
            path = self.failed[what] = keep(shortened(case, what), FAILED)
            say(f"FOUND {what}, kept as {path}")
            say("".join(traceback.format_exception(error)))

    def _tell(self, seconds: float) -> None:
        took, target, size = self.slowest
        say(
            f"{seconds:5.0f} s  {self.inputs} inputs  {self.inputs / seconds:.0f}/s"
            f"  {len(self._pool)} cases  {len(self._seen)} behaviours"
            f"  slowest {took * 1000:.1f} ms ({target}, {size} bytes)  {len(self.failed)} failures"
        )


def checked(case: Case) -> Run:
    """Run a case, and hold its time."""
    result = run(case)
    if result.slowest > PATIENCE:
        result.slowest = min(result.slowest, run(case).slowest, run(case).slowest)
        if result.slowest > PATIENCE:
            raise TooSlow(f"{case.target}: {result.slowest * 1000:.0f} ms")
    return result


def where(error: Exception) -> str:
    """Give what tells one failure from another."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


def shortened(case: Case, what: str) -> Case:
    """Leave out what the failure does not need, for ten seconds at most."""
    until = monotonic() + 10
    step = max(map(len, case.pieces))
    while step and monotonic() < until:
        shorter = next((one for one in _shorter(case, step) if fails(one, what)), None)
        if shorter is None:
            step //= 2
        else:
            case = shorter
    return case


def _shorter(case: Case, step: int) -> list[Case]:
    """Give the cases that lack a piece, or ``step`` bytes of one."""
    pieces = case.pieces
    without = [pieces[:at] + pieces[at + 1 :] for at in range(len(pieces)) if len(pieces) > 1]
    for at, piece in enumerate(pieces):
        for start in range(0, len(piece), step):
            cut = piece[:start] + piece[start + step :]
            without.append((*pieces[:at], cut, *pieces[at + 1 :]))
    return [made(case.target, one) for one in without]


def fails(case: Case, what: str) -> bool:
    """Tell whether a case fails in the same way."""
    try:
        checked(case)
    except Exception as error:  # noqa: BLE001  whatever is raised is a finding
        return where(error) == what
    return False


def whole_calls(until: float) -> int:
    """Let the state machine run with new seeds; give how many calls it made."""
    many = 0
    more = settings(TestWholeCall.settings, derandomize=False, database=None, max_examples=100)
    while monotonic() < until:
        run_state_machine_as_test(WholeCall, settings=more)
        many += 100
    return many


def main(seconds: float, *folders: str) -> bool:
    """Fuzz; tell whether nothing was found."""
    seed = SystemRandom().randrange(2**32)
    say(f"seed {seed}")
    gc.disable()  # as the program does, so that no message's time holds a collection
    fuzzer = Fuzzer(Random(seed))
    for case in [*seeds(), *kept(), *(one for name in folders for one in kept(Path(name)))]:
        fuzzer.take(case)
    until = monotonic() + seconds
    with suppress(KeyboardInterrupt):
        fuzzer.fuzz(until - seconds / 4)
    fuzzer.renew_corpus()
    gc.enable()
    say(f"{whole_calls(until)} whole calls at random")
    return not fuzzer.failed


if __name__ == "__main__":
    sys.exit(not main(float(sys.argv[1]), *sys.argv[2:]))
