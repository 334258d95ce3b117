"""A wheel holds all that the program needs: the command, and the example settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
_BUILD = """
import sys
from setuptools import build_meta
print(getattr(build_meta, "build_" + sys.argv[1])(sys.argv[2]))
"""


def build(kind: str, source: Path, destination: Path) -> Path:
    """Build an sdist or a wheel with the build backend itself, as pip and uv do."""
    command = [sys.executable, "-c", _BUILD, kind, str(destination)]
    ended = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return destination / ended.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel that is built from an sdist, so that both must hold everything."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sip_stager", source / "sip_stager", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    sdist = build("sdist", source, folder)
    subprocess.run(["tar", "-xf", sdist, "-C", folder], check=True)
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    return build("wheel", unpacked, folder)


def test_the_wheel_fits_every_python_and_machine(wheel: Path) -> None:
    """Nothing is compiled unless it is asked for."""
    assert wheel.name.endswith("-py3-none-any.whl")


def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    files = (path for path in (ROOT / "sip_stager").rglob("*") if path.is_file())
    expected = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
    assert expected <= set(ZipFile(wheel).namelist())


def test_the_command_works_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    ZipFile(wheel).extractall(tmp_path)
    (entry_points,) = tmp_path.glob("*.dist-info/entry_points.txt")
    assert "sip-stager = sip_stager.__main__:main" in entry_points.read_text()

    def sip_stager(*words: str) -> bytes:
        command = [sys.executable, "-P", "-m", "sip_stager", *words]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COV")}
        environment["PYTHONPATH"] = str(tmp_path)  # and no coverage: this is a copy of the package
        return subprocess.run(
            command, cwd=tmp_path, env=environment, check=True, capture_output=True
        ).stdout

    assert b"sip-stager demo" in sip_stager("--help")
    example = ROOT / "sip_stager" / "example"
    assert sip_stager("example") == (example / "sip_stager.example.toml").read_bytes()
    assert sip_stager("example", "--numbers") == (example / "numbers.example.csv").read_bytes()
