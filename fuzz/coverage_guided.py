"""Coverage-guided fuzzing of the same targets: ``python -m fuzz.coverage_guided FOLDER``.

This needs atheris (``pip install atheris``), which is not among the locked packages because it has
wheels for few platforms.  The arguments are those of libFuzzer: new cases go into the first folder,
and ``-max_total_time`` limits the seconds.  Pass the folder to ``python -m fuzz`` afterwards.
"""

from __future__ import annotations

import importlib
import sys
from random import Random

atheris = importlib.import_module("atheris")

with atheris.instrument_imports(include=["sip_stager"]):
    from fuzz.corpus_files import load_cases
    from fuzz.fuzz_case import parse_case
    from fuzz.mutation import mutate_case
    from fuzz.seeds import seeds
    from fuzz.targets import run_case

POOL = [*seeds(), *load_cases()]


def run_one(data: bytes) -> None:
    """Run one case; an exception stops libFuzzer."""
    run_case(parse_case(data))


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Return a damaged case: one half by our own mutations, the other half by libFuzzer's."""
    random = Random(seed)
    if random.random() < 0.5:
        return bytes(mutate_case(random, parse_case(data), POOL))[:max_size]
    mutant: bytes = atheris.Mutate(data, max_size)
    return mutant


if __name__ == "__main__":
    atheris.Setup(sys.argv, run_one, custom_mutator=mutate)
    atheris.Fuzz()
