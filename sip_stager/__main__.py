"""The entry point of ``sip-stager`` and ``python -m sip_stager``."""

import errno
import gc
import os
import sys

MAX_YOUNG_OBJECTS = 100_000
"""New objects between two collections.  Python's 700 cost a tenth of the start, for no garbage."""

_WRITE_ERRORS = {errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}


def main() -> None:
    """Run the command line; an interrupt or a closed stdout ends it without a traceback."""
    if sys.stdout is None:
        # The file descriptor is free: the next socket would get it, and output with it.
        _exit_without_stdout("it is closed")
    gc.set_threshold(MAX_YOUNG_OBJECTS)
    try:
        from sip_stager.cli import app  # noqa: PLC0415 (loading takes a quarter of a second)

        app(prog_name="sip-stager")
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        # Errors of files that are opened by name have it; those of sockets have other numbers.
        if error.filename is not None or error.errno not in _WRITE_ERRORS:
            raise
        # Python flushes stdout once more at its end, and would print a second error.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _exit_without_stdout(os.strerror(error.errno))


def _exit_without_stdout(why: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"sip-stager: stdout cannot be written: {why}\n")
    sys.exit(1)


if __name__ == "__main__":
    main()
