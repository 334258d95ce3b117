"""A skip fails in CI, and is listed elsewhere; the plugin is run on a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest

def test_passes(): pass

def test_lacks_a_program(): pytest.skip("sipp is not installed")

@pytest.mark.skipif(True, reason="sipp is not installed")
def test_lacks_it_too(): pass

@pytest.mark.xfail
def test_is_known_to_fail(): assert False
"""
MODULE = """
import pytest

pytest.skip("no such library", allow_module_level=True)
"""


def run(folder: Path, **environment: str) -> tuple[int, str]:
    (folder / "test_some.py").write_text(TESTS)
    (folder / "test_whole_module.py").write_text(MODULE)
    command = ["-m", "pytest", "-p", "tests.support.skips", "-p", "no:cacheprovider", "-q"]
    command += ["--continue-on-collection-errors"]
    ended = subprocess.run(
        [sys.executable, *command, "-c", os.devnull, "--rootdir", str(folder), str(folder)],
        cwd=ROOT,
        env=os.environ | {"CI": ""} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout


def test_skips_are_listed_by_reason_outside_ci(tmp_path: Path) -> None:
    code, shown = run(tmp_path)
    assert code == 0
    _, _, listed = shown.partition("tests left out: 3")
    assert [line.strip() for line in listed.splitlines()[1:5]] == [
        "no such library",
        "test_whole_module.py: 1",
        "sipp is not installed",
        "test_some.py: 2",
    ]


def test_every_skip_fails_in_ci_and_an_expected_failure_does_not(tmp_path: Path) -> None:
    code, shown = run(tmp_path, CI="true")
    assert code != 0
    failures = shown.partition("short test summary")[0]
    assert failures.count("which CI does not allow: sipp is not installed") == 2
    assert "which CI does not allow: no such library" in shown
    assert "test_is_known_to_fail" not in shown
