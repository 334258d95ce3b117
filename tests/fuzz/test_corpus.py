"""What the fuzzer has found is run again: `make fuzz` finds more."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.fuzz_case import TARGETS, read
from fuzz.seeds import seeds
from fuzz.targets import run

CORPUS = sorted((Path(__file__).parents[2] / "fuzz" / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_was_found_harms_nothing(path: Path) -> None:
    assert run(read(path.read_bytes())).seen


def test_what_the_fuzzer_begins_with_harms_nothing_and_reaches_every_target() -> None:
    reached = {case.target for case in seeds() if run(case).seen}
    assert reached == set(TARGETS.values())


def test_a_case_is_read_as_it_was_written() -> None:
    for case in seeds():
        assert read(bytes(case)) == case
