"""The core's tests run first, then those against real peers; ``--quick`` runs the core's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.order import QUICK

ROOT = Path(__file__).parents[2]
FILES = {
    "tests/cli/test_c.py": "def test_c(): pass",
    "tests/interop/test_i.py": "import pytest\n@pytest.mark.interop\ndef test_i(): pass",
    "tests/proxy/test_p.py": "def test_p(): pass",
    "tests/test_architecture.py": "def test_a(): pass",
}


def collected(folder: Path, *options: str) -> list[str]:
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    command = ["-m", "pytest", "-p", "tests.support.order", "-p", "no:cacheprovider", "-q"]
    command += ["--collect-only", "-c", os.devnull, "--rootdir", str(folder), str(folder)]
    shown = subprocess.run(
        [sys.executable, *command, *options], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout
    return [line.partition("::")[2] for line in shown.splitlines() if "::" in line]


def test_the_cores_tests_come_first_then_interop(tmp_path: Path) -> None:
    assert collected(tmp_path) == ["test_p", "test_a", "test_i", "test_c"]


def test_quick_leaves_everything_else_out(tmp_path: Path) -> None:
    assert collected(tmp_path, "--quick") == ["test_p", "test_a"]


def test_the_folders_of_the_cores_rooms_exist() -> None:
    assert [path for path in QUICK if not (ROOT / path).exists()] == []
