"""The entry point of ``sip-stager`` and ``python -m sip_stager``."""

import gc
import sys

MAX_YOUNG_OBJECTS = 100_000
"""New objects between two collections.  Python's 700 cost a tenth of the start, for no garbage."""


def main() -> None:
    """Run the command line; an interrupt while it loads ends it without a traceback."""
    gc.set_threshold(MAX_YOUNG_OBJECTS)
    try:
        from sip_stager.cli import app  # noqa: PLC0415 (loading takes a quarter of a second)

        app(prog_name="sip-stager")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
