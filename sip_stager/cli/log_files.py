"""The log as a stream of lines: a file with the rotated ones beside it, or standard input."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import shutil
import sys
import tempfile
from typing import IO, TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STDIN = "-"
MAX_IN_MEMORY = 64 * 1024 * 1024
"""Bytes of standard input that are kept in memory; more goes to a temporary file."""
_ROTATED = re.compile(r"[.-]([0-9][0-9-]*)(?:\.[a-z0-9]+)?\Z")
_READERS: dict[bytes, Callable[[Path, Literal["rb"]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
"""Openers of compressed files, by the first bytes: a name may say anything."""
_ZSTANDARD = b"\x28\xb5\x2f\xfd"


class LogFiles:
    """The files of a log, oldest first, to be read more than once.

    ``warnings`` says what could not be read to its end.
    """

    def __init__(self, path: Path) -> None:
        self.warnings: dict[str, None] = {}
        self._spool: IO[bytes] | None = None
        self._paths: list[Path] = []
        if str(path) == STDIN:
            spool = tempfile.SpooledTemporaryFile(MAX_IN_MEMORY)  # noqa: SIM115  kept for two passes
            self._spool = cast("IO[bytes]", spool)
            shutil.copyfileobj(sys.stdin.buffer, self._spool)
        else:
            self._paths = [*_rotated(path), path]
            for each in self._paths:
                with _open(each):
                    pass  # what cannot be opened is an error before anything is printed

    def close(self) -> None:
        """Release the kept part of standard input."""
        if self._spool is not None:
            self._spool.close()

    @property
    def names(self) -> str:
        """The files, for a message."""
        return ", ".join(map(str, self._paths)) or "standard input"

    def lines(self) -> Iterator[bytes]:
        """Yield all lines from the oldest on; raises ``OSError`` for a file that cannot be read."""
        if self._spool is not None:
            self._spool.seek(0)
            yield from self._spool
        for path in self._paths:
            try:
                with _open(path) as file:
                    yield from file
            except (EOFError, gzip.BadGzipFile, lzma.LZMAError) as error:
                # It may be being compressed right now; what was read so far is good.
                self.warnings[f"{path} could not be read to its end: {error}"] = None


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(_ZSTANDARD):
        raise OSError(f"{path} is compressed by zstd: zstdcat {path} | sip-stager find --log - ...")
    for magic, reader in _READERS.items():
        if start.startswith(magic):
            return cast("IO[bytes]", reader(path, "rb"))
    return path.open("rb")


def _rotated(path: Path) -> list[Path]:
    """Return the files that the log was rotated to, oldest first.

    ``LOG.2.gz`` is older than ``LOG.1``, and ``LOG-20261130`` than ``LOG-20261201``.
    """
    found = []
    for each in path.parent.glob(f"{path.name.replace('[', '[[]')}[.-]*"):
        match = _ROTATED.fullmatch(each.name.removeprefix(path.name))
        if match and each.is_file():
            digits = match[1].replace("-", "")
            age = int(digits)
            found.append((len(digits) < 6, -age if len(digits) < 6 else age, each))
    return [each for *_, each in sorted(found)]
