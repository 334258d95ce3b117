"""Detection of interpreters that were built with profile-guided optimisation."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from bench.interpreter import describe

if TYPE_CHECKING:
    from pathlib import Path

_FLAG = "-fprofile-use -fprofile-correction"  # configure sets this in every build


@pytest.mark.parametrize(
    ("arguments", "flag", "optimised"),
    [
        ("'--enable-optimizations'", _FLAG, True),
        ("'--prefix=/usr'", "", True),  # Debian
        ("'--enable-shared'", _FLAG, False),
        (None, _FLAG, False),
    ],
)
def test_a_build_by_configure_option_or_by_debian_is_optimised(
    tmp_path: Path, arguments: str | None, flag: str, *, optimised: bool
) -> None:
    built = {"CONFIG_ARGS": arguments, "PGO_PROF_USE_FLAG": flag}
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import platform, sys, sysconfig\n"
        f"sysconfig.get_config_vars().update({built})\n"
        "platform.python_compiler = lambda: 'GCC 12.2.0'\n"
        "exec(sys.argv[2])\n"
    )
    python.chmod(0o755)
    assert describe(str(python)).optimised is optimised


def test_a_build_without_configuration_variables_is_not_optimised(
    tmp_path: Path,
) -> None:
    python = tmp_path / "python"
    python.write_text(
        f"#!{sys.executable}\n"
        "import sys, sysconfig\n"
        "sysconfig.get_config_vars().clear()\n"
        "sysconfig.get_config_var = lambda name: None\n"
        "exec(sys.argv[2])\n"
    )
    python.chmod(0o755)
    assert describe(str(python)).optimised is False
