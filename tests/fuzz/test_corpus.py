"""The cases that the fuzzer has found are run again; `make fuzz` finds more."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.fuzz_case import TARGETS, parse_case
from fuzz.seeds import seeds
from fuzz.targets import run_case

CORPUS = sorted((Path(__file__).parents[2] / "fuzz" / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_a_saved_case_does_no_harm(path: Path) -> None:
    assert run_case(parse_case(path.read_bytes())).behaviours


def test_the_seeds_do_no_harm_and_reach_every_target() -> None:
    reached = {case.target for case in seeds() if run_case(case).behaviours}
    assert reached == set(TARGETS.values())


def test_a_case_is_parsed_as_it_was_written() -> None:
    for case in seeds():
        assert parse_case(bytes(case)) == case
