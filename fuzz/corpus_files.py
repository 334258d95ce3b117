"""The cases that are worth keeping, as files."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from fuzz.fuzz_case import Case, read

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

FOLDER = Path(__file__).parent / "corpus"
FAILED = "failed-"
MOST = 280_000
"""Bytes of all files together."""


def kept(folder: Path = FOLDER) -> list[Case]:
    """Read them all."""
    return [read(path.read_bytes()) for path in sorted(folder.iterdir())]


def keep(case: Case, kind: str = "") -> Path:
    """Keep one case; those that have failed are of a kind that is kept for ever."""
    path = FOLDER / (kind + blake2b(bytes(case), digest_size=5).hexdigest())
    path.write_bytes(bytes(case))
    return path


def renew(shown: Iterable[tuple[Case, set[Hashable]]]) -> int:
    """Keep the shortest cases that show together all that was seen; give their bytes."""
    covered: set[Hashable] = set()
    wanted = set(FOLDER.glob(f"{FAILED}*"))
    size = 0
    for case, seen in sorted(shown, key=lambda one: (len(bytes(one[0])), one[0])):
        if seen <= covered or size + len(bytes(case)) > MOST:
            continue
        covered |= seen
        size += len(bytes(case))
        wanted.add(keep(case))
    for path in set(FOLDER.iterdir()) - wanted:
        path.unlink()
    return size
