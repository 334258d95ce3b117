"""The compiled build: a wheel in ``dist``, and the same files in ``build/compiled``.

``make build`` runs it with the interpreter of ``.venv``.  It takes about a minute, and does nothing
if no file of the package has changed since.  It needs what every extension for Python needs: a C
compiler, and the headers of this very Python.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "build" / "compiled"
STAMP = ROOT / "build" / "compiled.stamp"
WHEELS = ROOT / "dist"
_BUILD = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"
NO_COMPILER = """\
The compiled build needs a C compiler and the headers of this Python ({missing}):
  apt-get install gcc libc6-dev python3-dev     (Debian, Ubuntu)
Without them everything runs uncompiled: make setup."""


class BuildError(Exception):
    """A failure, with what to do about it."""


def missing() -> str:
    """Return what the build lacks on this machine; empty if nothing."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(compiler) is None and shutil.which("cc") is None:
        return f"there is no {compiler}"
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    return "" if header.is_file() else f"there is no {header}"


def fingerprint() -> str:
    """Return a hash of everything that the build is made from."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    package = (path for path in sorted((ROOT / "sip_stager").rglob("*")) if path.suffix != ".pyc")
    settings = (ROOT / name for name in ("setup.py", "pyproject.toml", "requirements-dev.lock"))
    for path in (Path(__file__), *settings, *filter(Path.is_file, package)):
        digest.update(f"{path} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build() -> Path:
    """Build the wheel and return its path."""
    for left_over in (ROOT / "build").glob("lib*"):  # its modules may have other names now
        shutil.rmtree(left_over)
    WHEELS.mkdir(exist_ok=True)
    ended = subprocess.run(
        [sys.executable, "-c", _BUILD],
        check=False,
        cwd=ROOT,
        env={**os.environ, "SIP_STAGER_COMPILE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if ended.returncode:
        raise BuildError(f"{ended.stdout}\nThe core could not be compiled: see the lines above.")
    return WHEELS / ended.stdout.split()[-1]


def main() -> None:
    """Bring ``build/compiled`` up to date."""
    wanted = fingerprint()
    if TREE.is_dir() and STAMP.is_file() and STAMP.read_text() == wanted:
        return
    if lacking := missing():
        raise BuildError(NO_COMPILER.format(missing=lacking))
    print("Compiling the core; this takes about a minute", flush=True)
    wheel = build()
    shutil.rmtree(TREE, ignore_errors=True)
    with ZipFile(wheel) as archive:
        archive.extractall(TREE)
    STAMP.write_text(wanted)
    print(f"Built {wheel.relative_to(ROOT)}, and the same in {TREE.relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except BuildError as error:
        sys.exit(f"\n{error}")
