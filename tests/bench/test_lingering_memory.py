"""A call that has ended lingers: its transactions absorb retransmissions, for 32 s."""

from __future__ import annotations

import gc
import tracemalloc
from typing import TYPE_CHECKING

from bench.whole_call import WholeCall, seconds

if TYPE_CHECKING:
    from pathlib import Path

MAX_LINGERING_BYTES = 5000  # of Python's memory
CALLS = 400


def test_a_call_that_lingers_keeps_little(tmp_path: Path) -> None:
    """At 1,000 calls a second 32,000 linger, so each kilobyte of a call is 32 MB."""
    calls = WholeCall(tmp_path)
    calls.place(100, seconds)
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    calls.place(CALLS, seconds)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1000 < (after - before) / CALLS < MAX_LINGERING_BYTES
