"""The corpus: cases that show different behaviours, one file each."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.fuzz_case import Case, parse_case

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

FOLDER = Path(__file__).parent / "corpus"
FAILED_PREFIX = "failed-"
MAX_CORPUS_SIZE = 280_000
"""Bytes of all files together."""


def load_cases(folder: Path = FOLDER) -> list[Case]:
    """Return the cases of all files in a folder."""
    return [parse_case(path.read_bytes()) for path in sorted(folder.iterdir())]


def save_case(case: Case, prefix: str = "") -> Path:
    """Write a case to a file named after its hash; with ``FAILED_PREFIX`` it is never removed."""
    path = FOLDER / (prefix + blake2b(bytes(case), digest_size=5).hexdigest())
    path.write_bytes(bytes(case))
    return path


def select_corpus(cases: Iterable[tuple[Case, set[Hashable]]]) -> int:
    """Save the shortest cases that together show all behaviours, and remove all other files.

    Return their size in bytes.  A greedy cover: the shortest case first, and each further one only
    if it shows something new.
    """
    covered: set[Hashable] = set()
    kept = set(FOLDER.glob(f"{FAILED_PREFIX}*"))
    size = 0
    for case, behaviours in sorted(cases, key=lambda one: (len(bytes(one[0])), one[0])):
        if behaviours <= covered or size + len(bytes(case)) > MAX_CORPUS_SIZE:
            continue
        covered |= behaviours
        size += len(bytes(case))
        kept.add(save_case(case))
    for path in set(FOLDER.iterdir()) - kept:
        path.unlink()
    return size
