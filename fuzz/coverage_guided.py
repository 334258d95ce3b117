"""The same targets, guided by the coverage of the code: ``python -m fuzz.coverage_guided FOLDER``.

Needs atheris, which is not among the locked packages because it has wheels for few machines:
``pip install atheris``.  Arguments are libFuzzer's: new cases go into the first folder, and
``-max_total_time`` bounds the seconds.  Give the folder to ``python -m fuzz`` afterwards.
"""

from __future__ import annotations

import importlib
import sys
from random import Random

atheris = importlib.import_module("atheris")

with atheris.instrument_imports(include=["sip_stager"]):
    from fuzz.corpus_files import kept
    from fuzz.fuzz_case import read
    from fuzz.mutation import mutated
    from fuzz.seeds import seeds
    from fuzz.targets import run

POOL = [*seeds(), *kept()]


def one(data: bytes) -> None:
    """Run one case; what it raises stops libFuzzer."""
    run(read(data))


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Damage a case in our way as often as in libFuzzer's."""
    chance = Random(seed)
    if chance.random() < 0.5:
        return bytes(mutated(chance, read(data), POOL))[:most]
    mutant: bytes = atheris.Mutate(data, most)
    return mutant


if __name__ == "__main__":
    atheris.Setup(sys.argv, one, custom_mutator=mutate)
    atheris.Fuzz()
