"""The alerts fire when alerts.test.yml expects them, and only then."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.support.needed import need

CASES = Path(__file__).with_name("alerts.test.yml")
PROMTOOL = shutil.which("promtool")


def test_each_alert_fires_when_it_is_expected_and_only_then() -> None:
    need(PROMTOOL, "promtool is not here (Debian: prometheus)")
    assert PROMTOOL
    result = subprocess.run(
        [PROMTOOL, "test", "rules", str(CASES)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
