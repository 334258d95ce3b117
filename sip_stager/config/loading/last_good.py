"""A copy of the last settings that were good, for a start while the file has mistakes.

After a restart the former process is gone, and so is all that it knew: without the copy, a mistake
in the file would be an outage.  The copy is in the state directory of the unit (systemd.exec(5),
``StateDirectory=``)::

    last_good/settings.toml   the settings file
    last_good/numbers.csv     its CSV of numbers, if it names one
    last_good/origin          the path of the settings file that they were copied from

It holds no more secrets than the files have: API keys and seal keys are in files of their own,
which are not copied.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sip_stager.config.loading.load import COPIED_CSV, load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_stager.config.tables.settings import Settings

FOLDER = "last_good"
_TOML, _ORIGIN = "settings.toml", "origin"


def save(path: Path, settings: Settings, environ: Mapping[str, str], read_at: int) -> None:
    """Copy the files that good settings were read from; raises ``OSError``.

    Nothing is copied without a state directory, or if a file has changed since ``read_at``, in
    nanoseconds since 1970: the reading began then, and a later text may not be good.
    """
    folder = _folder(environ)
    files = {_TOML: path, COPIED_CSV: settings.numbers_csv}
    sources = {name: source for name, source in files.items() if source is not None}
    if folder is None or max(map(_changed_at, sources.values())) >= read_at:
        return
    new, old = folder.with_name(f"{FOLDER}.new"), folder.with_name(f"{FOLDER}.old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    for name, source in sources.items():
        _write(new / name, source.read_bytes())
    if max(map(_changed_at, sources.values())) >= read_at:
        return
    _write(new / _ORIGIN, str(path.absolute()).encode())
    # A folder cannot take the place of another in one step: in between, the old one has its
    # other name, by which `load_last_good` finds it.
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_last_good(path: Path, environ: Mapping[str, str]) -> Settings | None:
    """Load the last good settings of a file; None if there are none.

    Raises ``SettingsError`` if the copy cannot be used either.
    """
    folder = _folder(environ)
    for each in (folder, folder.with_name(f"{FOLDER}.old")) if folder else ():
        origin = origin_of(each / _TOML)
        if origin == path.absolute():
            return load(each / _TOML, environ, origin=origin)
    return None


def origin_of(path: Path) -> Path | None:
    """Return the file that a copy was made from; None if a file is no copy."""
    try:
        return Path((path.parent / _ORIGIN).read_text())
    except OSError:
        return None


def _folder(environ: Mapping[str, str]) -> Path | None:
    first = environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(first, FOLDER) if first else None


def _changed_at(path: Path) -> int:
    """Return when a file was written, or put in its place, in nanoseconds since 1970."""
    status = path.stat()
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
