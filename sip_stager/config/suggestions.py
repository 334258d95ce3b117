"""Suggestions for words that are almost right: keys, values, names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean "x"? `` for the closest known word; empty if none is close."""
    # A code like 183 is not meant by 184: figures that look alike mean something else.
    spellings = {each.lower(): each for each in known if not each.isdigit()}
    near = difflib.get_close_matches(word.lower(), spellings, n=1)
    return f'did you mean "{spellings[near[0]]}"? ' if near else ""


def one_of(word: object, known: Iterable[str]) -> str:
    """Return what to write instead of a word: the closest known word, and all known words."""
    words = list(known)
    quoted = [f'"{each}"' for each in words]
    listed = " or ".join(filter(None, (", ".join(quoted[:-1]), *quoted[-1:])))
    return f"{did_you_mean(str(word), words)}write {listed}"
