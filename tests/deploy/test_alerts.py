"""The alerts speak when they should, and only then; alerts.test.yml says when that is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.needed import need

CASES = Path(__file__).with_name("alerts.test.yml")
PROMTOOL = shutil.which("promtool")


def test_a_few_calls_that_fail_are_enough_for_an_alert() -> None:
    need(PROMTOOL, "promtool is not here (Debian: prometheus)")
    assert PROMTOOL
    tried = subprocess.run(
        [PROMTOOL, "test", "rules", str(CASES)], capture_output=True, text=True, check=False
    )
    assert tried.returncode == 0, tried.stdout + tried.stderr
