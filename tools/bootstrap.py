"""Make the virtual environment that the Makefile's commands run in.

``python3 tools/bootstrap.py [--dev]`` makes ``.venv``, installs what the lock files name, checked
by hash, and the project itself as it lies here.  It needs nothing but Python 3.11: where Debian's
``python3-venv`` is missing it takes the system's pip, and where that is missing too it borrows the
pip of Debian's package ``python3-pip-whl`` without installing it.  When nothing has changed since
the last time it does nothing.
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
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
BUILD, RUNTIME, DEV = (ROOT / f"requirements{kind}.lock" for kind in ("-build", "", "-dev"))
PIP_OLDEST = (22, 3)  # the first that can install into another environment (--python)
NO_PIP = """\
There is no pip to install the dependencies with.  Any one of these is enough:
  apt-get install python3-venv     (Debian, Ubuntu)
  apt-get install python3-pip
  dnf install python3-pip          (Fedora)
Then run the same make command again."""


class SetupError(Exception):
    """Something that the user can put right; its text says how."""


def say(text: str) -> None:
    """Print one line of progress at once, also into a pipe."""
    print(text, flush=True)


def run(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result with what it printed, failed or not."""
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
    """Whether a command can be run and ends well."""
    try:
        return run(*command).returncode == 0
    except OSError:
        return False


def fingerprint() -> str:
    """Return a word that changes with whatever the environment is made from."""
    digest = hashlib.sha256(f"{sys.base_prefix} {sys.version}".encode())
    for path in (BUILD, RUNTIME, DEV, ROOT / "pyproject.toml", Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_venv() -> None:
    """Make the environment anew, with pip where this Python can bring its own."""
    say(f"Making {VENV.name} with {sys.executable} ({sys.version.split()[0]})")
    bare = [] if works(sys.executable, "-c", "import ensurepip") else ["--without-pip"]
    made = run(sys.executable, "-m", "venv", "--clear", *bare, VENV)
    if made.returncode and not bare:  # ensurepip is there, and its wheels are not
        made = run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    if made.returncode:
        raise SetupError(f"{made.stdout}\n{VENV} could not be made: see the lines above.")


def pip_command(borrowed: Path) -> list[str | Path]:
    """Return the words that run a pip which installs into the environment.

    ``borrowed`` is a directory that may be filled with Debian's pip.
    """
    if works(VENV_PYTHON, "-m", "pip", "--version"):
        return [VENV_PYTHON, "-m", "pip"]
    for python in (sys.executable, "/usr/bin/python3"):
        if system_pip_is_fit(python):
            say(f"Using the pip of {python}, since python3-venv is not installed")
            return [python, "-m", "pip", "--python", VENV_PYTHON]
    wheel = borrow_wheel(borrowed)
    say("Using the pip of Debian's python3-pip-whl, since python3-venv is not installed")
    added = run(VENV_PYTHON, wheel / "pip", "install", "--quiet", "--no-index", "--no-deps", wheel)
    if added.returncode:
        raise SetupError(f"{added.stdout}\n{NO_PIP}")
    return [VENV_PYTHON, "-m", "pip"]


def system_pip_is_fit(python: str) -> bool:
    """Whether this interpreter has a pip that can install into another environment."""
    try:
        version = re.match(r"pip (\d+)\.(\d+)", run(python, "-m", "pip", "--version").stdout)
    except OSError:
        return False
    return version is not None and (int(version[1]), int(version[2])) >= PIP_OLDEST


def borrow_wheel(directory: Path) -> Path:
    """Return pip's wheel from Debian's python3-pip-whl, fetched and unpacked where need be."""
    installed = Path("/usr/share/python-wheels")
    if not list(installed.glob("pip-*.whl")):
        fetch_package("python3-pip-whl", directory)
        installed = directory / installed.relative_to("/")
    wheels = list(installed.glob("pip-*.whl"))
    if not wheels:
        raise SetupError(NO_PIP)
    return wheels[0]


def fetch_package(name: str, directory: Path) -> None:
    """Download a Debian package and unpack it into a directory; neither needs root.

    Raises SetupError when that cannot be done.
    """
    private = ["-o", f"Dir::State::lists={directory}/lists", "-o", f"Dir::Cache={directory}/cache"]
    private += ["-o", "APT::Sandbox::User=root"]  # apt's own user may not write here
    (directory / "lists" / "partial").mkdir(parents=True)
    (directory / "cache" / "archives" / "partial").mkdir(parents=True)
    say(f"Fetching {name} from Debian (nothing is installed on the system)")
    try:
        got = run("apt-get", "download", name, cwd=directory)
        if got.returncode:  # no package lists on this machine, or old ones
            run("apt-get", *private, "update", cwd=directory)
            got = run("apt-get", *private, "download", name, cwd=directory)
        if got.returncode:
            raise SetupError(f"{got.stdout}\n{NO_PIP}")
        run("dpkg-deb", "-x", *directory.glob("*.deb"), directory)
    except OSError as error:
        raise SetupError(NO_PIP) from error


def install(pip: list[str | Path], locks: list[Path]) -> None:
    """Install the locked packages, then the project itself."""
    say(f"Installing the packages of {' and '.join(lock.name for lock in locks)}")
    pip_install(pip, "--require-hashes", *(word for lock in locks for word in ("-r", lock)))
    say("Installing the project itself")
    pip_install(pip, "--no-deps", "--no-build-isolation", "--editable", ROOT)


def pip_install(pip: list[str | Path], *arguments: str | Path) -> None:
    """Run one ``pip install``, showing each package as its turn comes."""
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
    """Say what a failed pip most likely needs, from its last lines."""
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


def venv_is_fit() -> bool:
    """Whether the environment is there, runs, and was made by this very Python."""
    question = "import sys; print(sys.base_prefix, sys.version)"
    try:
        answer = run(VENV_PYTHON, "-c", question).stdout
    except OSError:
        return False
    return answer == f"{sys.base_prefix} {sys.version}\n"


def main() -> None:
    """Bring the environment up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dev", action="store_true", help="also what tests and checks need")
    dev = parser.parse_args().dev
    stamps = [VENV / "runtime.stamp", *([VENV / "dev.stamp"] if dev else [])]
    wanted = fingerprint()
    if all(stamp.is_file() and stamp.read_text() == wanted for stamp in stamps):
        return
    if not venv_is_fit():
        make_venv()
    with tempfile.TemporaryDirectory(prefix="sip-stager-") as borrowed:
        install(pip_command(Path(borrowed)), [DEV] if dev else [BUILD, RUNTIME])
    for stamp in stamps:
        stamp.write_text(wanted)
    say(f"{VENV.name} is ready")


if __name__ == "__main__":
    try:
        main()
    except SetupError as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the next make starts over where this one stopped.")
