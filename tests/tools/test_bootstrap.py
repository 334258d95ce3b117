"""``tools/bootstrap.py`` sets up an environment from the lock files alone, also with an old pip."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needed import need
from tools import bootstrap

# Debian 12's pip; Python 3.12 cannot run it.  The other is the last that has the same fault.
OLD_PIP = "23.0.1" if sys.version_info < (3, 12) else "23.2.1"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of an old pip, from Debian or from the package index."""
    folder = tmp_path_factory.mktemp("pip")
    if found := list(Path("/usr/share/python-wheels").glob(f"pip-{OLD_PIP}-*.whl")):
        return found[0]
    venv = folder / "any pip"
    bootstrap.make_venv(venv)
    pip = bootstrap.pip_command(venv, folder / "borrowed")
    wanted = f"pip=={OLD_PIP}"
    fetched = bootstrap.run(*pip, "download", "--no-deps", "--dest", folder, wanted)
    wheels = list(folder.glob("pip-*.whl"))
    need(str(wheels[0]) if wheels else None, f"no package index can be reached: {fetched.stdout}")
    return wheels[0]


@pytest.fixture
def pip(wheel: Path, tmp_path: Path) -> list[str | Path]:
    """Return the command of an old pip in an empty environment."""
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    command = bootstrap.add_pip(venv, wheel)
    assert bootstrap.run(*command, "--version").stdout.startswith(f"pip {OLD_PIP} ")
    return command


def test_an_old_pip_installs_what_tests_need(pip: list[str | Path]) -> None:
    """It took coverage[toml] for another project than the locked coverage."""
    bootstrap.install_locked(pip, [bootstrap.DEV])
    assert bootstrap.run(pip[0], "-m", "pytest", "--version").stdout.startswith("pytest ")


def test_an_old_pip_installs_what_the_program_needs(pip: list[str | Path]) -> None:
    bootstrap.install_locked(pip, [bootstrap.BUILD, bootstrap.RUNTIME])
    assert bootstrap.run(pip[0], "-c", "import aiohttp, httptools, setuptools, uvloop").stdout == ""


def test_a_lock_that_lacks_a_package_is_refused(pip: list[str | Path], tmp_path: Path) -> None:
    entries = bootstrap.DEV.read_text().split("\n")
    start = next(number for number, line in enumerate(entries) if line.startswith("iniconfig=="))
    end = next(n for n in range(start + 1, len(entries)) if not entries[n].startswith(" "))
    only = next(number for number, line in enumerate(entries) if line.startswith("pytest=="))
    lock = tmp_path / "short.lock"
    lock.write_text("\n".join(entries[only : only + 3] + entries[start:end]))
    with pytest.raises(bootstrap.SetupError, match=r"pytest .* requires pluggy"):
        bootstrap.install_locked(pip, [lock])


def test_the_fingerprint_ignores_what_installs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (bootstrap.ROOT / "pyproject.toml").read_text()
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)

    def fingerprint(pyproject: str) -> str:
        (tmp_path / "pyproject.toml").write_text(pyproject)
        return bootstrap.fingerprint()

    before = fingerprint(text)
    assert fingerprint(text.replace("line-length = 100", "line-length = 90")) == before
    assert fingerprint(text.replace('"rich>=', '"rich>0,>=')) != before
