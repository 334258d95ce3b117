"""Set-up of the virtual environment that the Makefile's commands run in.

``python3 tools/bootstrap.py [--dev]`` makes ``.venv`` and installs the packages of the lock files,
each checked by its hash, and then the project itself, editable.  When nothing has changed since the
last time it does nothing; when something has, it starts from an empty environment.

It needs Python 3.11 and nothing else.  Pip comes from the first of these places that has one:

1. this Python's own ``ensurepip`` (on Debian: the package ``python3-venv``),
2. the pip of the system, which installs into ``.venv`` from outside,
3. Debian's package ``python3-pip-whl``, which is downloaded and unpacked, but not installed.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036  an older one must be told so, not shown a traceback
    sys.exit(
        "sip-stager needs Python 3.11 or newer; this is %d.%d (%s).\n"  # noqa: UP031  old syntax
        "Install a newer one (Debian 12 and Ubuntu 24.04: apt-get install python3), or name it:\n"
        "  make PYTHON=/path/to/python3.12 ..."
        % (sys.version_info[0], sys.version_info[1], sys.executable)
    )

import argparse
import hashlib
import os
import re
import subprocess
import tempfile
import tomllib
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BUILD, RUNTIME, DEV = (ROOT / f"requirements{kind}.lock" for kind in ("-build", "", "-dev"))
MIN_PIP = (22, 3)  # the first that can install into another environment (--python)
NO_PIP = """\
There is no pip to install the dependencies with.  Any one of these is enough:
  apt-get install python3-venv     (Debian, Ubuntu)
  apt-get install python3-pip
  dnf install python3-pip          (Fedora)
Then run the same make command again."""


class SetupError(Exception):
    """A failure that the user can put right; its text says how."""


def say(text: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(text, flush=True)


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; return its exit code and its output, failed or not."""
    return subprocess.run(
        [str(word) for word in command],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=cwd,
    )


def works(*command: str | Path) -> bool:
    """Return True if a command can be run and ends with exit code 0."""
    try:
        return run(*command).returncode == 0
    except OSError:
        return False


def python_of(venv: Path) -> Path:
    """Return the path of an environment's interpreter."""
    return venv / "bin" / "python"


def fingerprint() -> str:
    """Return a hash of everything the environment is made from.

    Of pyproject.toml only the parts that decide what is installed count: a new linter rule is no
    reason to install everything again.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    parts = [project.get(name) for name in ("build-system", "project", "dependency-groups")]
    parts += [project["tool"]["setuptools"], sys.base_prefix, sys.version]
    parts += [str(ROOT)]  # scripts in the environment name the folder: a moved one needs new ones
    digest = hashlib.sha256(repr(parts).encode())
    for path in (BUILD, RUNTIME, DEV, Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_venv(venv: Path) -> None:
    """Make an empty environment, with pip where this Python can bring its own."""
    say(f"Making {venv.name} with {sys.executable} ({sys.version.split()[0]})")
    bare = [] if works(sys.executable, "-c", "import ensurepip") else ["--without-pip"]
    made = run(sys.executable, "-m", "venv", "--clear", *bare, venv)
    if made.returncode and not bare:  # ensurepip is there, but its wheels are missing
        made = run(sys.executable, "-m", "venv", "--clear", "--without-pip", venv)
    if made.returncode:
        raise SetupError(f"{made.stdout}\n{venv} could not be made: see the lines above.")


def pip_command(venv: Path, borrowed: Path) -> list[str | Path]:
    """Return the start of a command line that runs a pip which installs into the environment.

    ``borrowed`` is an empty directory for Debian's pip, in case no other is found.
    """
    if works(python_of(venv), "-m", "pip", "--version"):
        return [python_of(venv), "-m", "pip"]
    for python in (sys.executable, "/usr/bin/python3"):
        if has_usable_pip(python):
            say(f"Using the pip of {python}, since python3-venv is not installed")
            return [python, "-m", "pip", "--python", python_of(venv)]
    wheel = borrow_wheel(borrowed)
    say("Using the pip of Debian's python3-pip-whl, since python3-venv is not installed")
    return add_pip(venv, wheel)


def add_pip(venv: Path, wheel: Path) -> list[str | Path]:
    """Install pip itself from its wheel; return the start of a command line that runs it."""
    python = python_of(venv)
    added = run(python, wheel / "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    if added.returncode:
        raise SetupError(f"{added.stdout}\nPip could not be installed from {wheel.name}.")
    return [python, "-m", "pip"]


def has_usable_pip(python: str) -> bool:
    """Return True if this interpreter has a pip that can install into another environment."""
    try:
        version = re.match(r"pip (\d+)\.(\d+)", run(python, "-m", "pip", "--version").stdout)
    except OSError:
        return False
    return version is not None and (int(version[1]), int(version[2])) >= MIN_PIP


def borrow_wheel(directory: Path) -> Path:
    """Return pip's wheel from Debian's python3-pip-whl, downloaded if it is not installed."""
    installed = Path("/usr/share/python-wheels")
    if not list(installed.glob("pip-*.whl")):
        fetch_package("python3-pip-whl", directory)
        installed = directory / installed.relative_to("/")
    wheels = list(installed.glob("pip-*.whl"))
    if not wheels:
        raise SetupError("Debian's python3-pip-whl holds no wheel of pip.")
    return wheels[0]


def fetch_package(name: str, directory: Path) -> None:
    """Download a Debian package and unpack it into a directory; neither step needs root.

    Raise SetupError when that fails.
    """
    private = ["-o", f"Dir::State::lists={directory}/lists", "-o", f"Dir::Cache={directory}/cache"]
    private += ["-o", "APT::Sandbox::User=root"]  # apt's own user may not write here
    (directory / "lists" / "partial").mkdir(parents=True)
    (directory / "cache" / "archives" / "partial").mkdir(parents=True)
    say(f"Fetching {name} from Debian (nothing is installed on the system)")
    try:
        got = run("apt-get", "download", name, cwd=directory)
        if got.returncode:  # this machine has no package lists, or outdated ones
            run("apt-get", *private, "update", cwd=directory)
            got = run("apt-get", *private, "download", name, cwd=directory)
        if got.returncode:
            raise SetupError(f"{got.stdout}\n{name} could not be downloaded: see above.")
        run("dpkg-deb", "-x", *directory.glob("*.deb"), directory)
    except OSError as error:  # no Debian
        raise SetupError(f"{name} could not be downloaded: {error}") from error


def install_locked(pip: list[str | Path], locks: list[Path]) -> None:
    """Install exactly what the lock files name, and check that it is complete.

    Pip resolves nothing (``--no-deps``), since the locks hold every package already.  With its
    resolver on, pip before 23.3 looked beyond them: it took ``coverage[toml]`` for another project
    than the locked ``coverage``, chose its newest release, and failed for want of a hash on the
    day one appeared.  ``pip check`` shows what a lock lacks instead.
    """
    say(f"Installing the packages of {' and '.join(lock.name for lock in locks)}")
    files = [word for lock in locks for word in ("-r", lock)]
    pip_install(pip, "--require-hashes", "--no-deps", *files)
    check(pip)


def install_project(pip: list[str | Path]) -> None:
    """Install the project itself, editable, with the setuptools that is locked."""
    say("Installing the project itself")
    pip_install(pip, "--no-deps", "--no-build-isolation", "--editable", ROOT)
    check(pip)


def check(pip: list[str | Path]) -> None:
    """Raise SetupError when an installed package lacks another, or has the wrong version of it."""
    checked = run(*pip, "check", "--disable-pip-version-check")
    if checked.returncode:
        raise SetupError(
            f"{checked.stdout}\nThe lock files do not fit together: `make lock` renews them."
        )


def pip_install(pip: list[str | Path], *arguments: str | Path) -> None:
    """Run ``pip install`` and show each package as its turn comes."""
    words = [*pip, "install", "--disable-pip-version-check", "--no-input", *arguments]
    settings = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    last: deque[str] = deque(maxlen=25)
    with subprocess.Popen(
        [str(word) for word in words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=settings,
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            if found := re.match(r"Collecting ([\w.-]+)(?:\[.*?\])?==([\w.]+)", line):
                say(f"  {found[1]} {found[2]}")
    if process.returncode:
        raise SetupError("\n".join([*last, explanation("\n".join(last))]))


def explanation(output: str) -> str:
    """Return the likely cure for a failed pip, from its last lines."""
    if "DO NOT MATCH THE HASHES" in output:
        return "A package is not the one that the lock file names. `make lock` renews the locks."
    if re.search(r"(?i)connection|resolve|timed out|timeout|SSL", output):
        return (
            "The package index could not be reached. pip's own settings decide where it looks:\n"
            "see `pip config list`, PIP_INDEX_URL, PIP_CERT, HTTPS_PROXY. Then run make again."
        )
    if re.search(r"(?i)no matching distribution", output):
        return (
            "A locked version is missing from the package index that pip is set to use\n"
            "(`pip config list`), or it has no build for this Python."
        )
    return "pip failed: its last lines are above."


def is_stamped(stamp: Path, wanted: str) -> bool:
    """Return True if the stamp says that an installation of these very files was completed."""
    return stamp.is_file() and stamp.read_text() == wanted


def is_usable(venv: Path) -> bool:
    """Return True if the environment is there, runs, and was made by this very Python."""
    question = "import sys; print(sys.base_prefix, sys.version)"
    try:
        answer = run(python_of(venv), "-c", question).stdout
    except OSError:
        return False
    return answer == f"{sys.base_prefix} {sys.version}\n"


def main() -> None:
    """Bring the environment up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    dev = parser.parse_args().dev
    runtime_stamp, dev_stamp = VENV / "runtime.stamp", VENV / "dev.stamp"
    stamps = [runtime_stamp, dev_stamp] if dev else [runtime_stamp]
    wanted = fingerprint()
    if all(is_stamped(stamp, wanted) for stamp in stamps):
        return
    # Only the packages of --dev may be added to what is there.  Anything else could leave a
    # package behind that the locks no longer name.
    if not is_stamped(runtime_stamp, wanted) or not is_usable(VENV):
        make_venv(VENV)
    with tempfile.TemporaryDirectory(prefix="sip-stager-") as borrowed:
        try:
            pip = pip_command(VENV, Path(borrowed))
        except SetupError as error:
            raise SetupError(f"{error}\n{NO_PIP}") from error
        install_locked(pip, [DEV] if dev else [BUILD, RUNTIME])
        install_project(pip)
    for stamp in stamps:
        stamp.write_text(wanted)
    say(f"{VENV.name} is ready")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next make starts over.")
