"""The entry point of ``sip-stager`` and ``python -m sip_stager``."""

import sys


def main() -> None:
    """Run the command line; an interrupt while it loads ends it without a traceback."""
    try:
        from sip_stager.cli import app  # noqa: PLC0415 (loading takes a quarter of a second)

        app(prog_name="sip-stager")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
