"""A stdout that cannot be written is one sentence, and no traceback."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.config.settings_folder import REAL

if TYPE_CHECKING:
    from tests.config.settings_folder import Folder

COMMANDS = (
    "check --config s.toml",
    "check --config s.toml --all",
    "route --config s.toml --to +33612345678",
    "run --config s.toml",
    "example",
    "demo --list",
    "check --help",
    "--version",
)


def run(folder: Folder, command: str, redirection: str) -> tuple[int, str]:
    """Run a command with a redirection of the shell; return its exit code and stderr."""
    folder.write("s.toml", REAL)
    line = f'exec "$0" -m sip_stager {command} {redirection}'
    program = subprocess.run(
        ["/bin/sh", "-c", line, sys.executable],
        check=False, cwd=folder.path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return program.returncode, program.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_closed_stdout_is_one_sentence(folder: Folder, command: str) -> None:
    said = "sip-stager: stdout cannot be written: it is closed\n"
    assert run(folder, command, ">&-") == (1, said)


@pytest.mark.parametrize("command", [one for one in COMMANDS if not one.startswith("run")])
@pytest.mark.parametrize(
    ("redirection", "why"),
    [(">/dev/full", "No space left on device"), ("1</dev/null", "Bad file descriptor")],
)
def test_a_stdout_that_fails_is_one_sentence(
    folder: Folder, command: str, redirection: str, why: str
) -> None:
    said = f"sip-stager: stdout cannot be written: {why}\n"
    assert run(folder, command, redirection) == (1, said)


def test_both_outputs_may_be_closed(folder: Folder) -> None:
    assert run(folder, "check --config s.toml", ">&- 2>&-") == (1, "")
