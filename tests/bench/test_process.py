"""CPU time of process groups."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.process import cpu_seconds

_BUSY = """
import os, sys, time
for _ in range(20):
    if os.fork() == 0:
        until = time.process_time() + 0.008
        while time.process_time() < until: pass
        break
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="this kernel only counts ticks"
)
def test_the_time_of_many_processes_is_not_rounded_down_to_ticks() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _BUSY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as group:
        assert group.stdout
        for _ in range(21):
            group.stdout.readline()
        assert cpu_seconds(group.pid) > 20 * 0.008
