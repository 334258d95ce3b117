"""The run command: take calls."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from sip_stager.cli.settings_file import ConfigOption, load_or_fall_back
from sip_stager.config.loading.seal_keys import create_key


def run(
    config: ConfigOption,
    takeover: Annotated[
        Path | None,
        typer.Option(
            "--takeover",
            metavar="SOCKET",
            help="Restart without a lost call: take over from the process that was started with "
            "the same path, and hand over to the next one. The path of a Unix socket, in a folder "
            "that only the program's user may write to.",
        ),
    ] = None,
) -> None:
    """Take calls until told to stop.

    Writes its log to stdout, one JSON object per line. SIGINT and SIGTERM stop it, SIGHUP makes it
    read the settings again, and other signals do nothing. If the settings are wrong at the start,
    it takes the last good ones from the state directory, and says so in its log. With `--takeover`
    it ends by itself, too, some time after a successor took over.

    **Example:** `ROUNDED_API_KEY=... sip-stager run --config sip_stager.toml`

    **Exit codes:** 0 it was told to stop, or taken over; 1 it could not start, because an address
    or port could not be listened on; 2 the settings are wrong (see `sip-stager check --help`), and
    there are no last good ones.
    """
    create_key(os.environ)
    read_at = time.time_ns()
    settings, mistakes = load_or_fall_back(config)
    from sip_stager.cli.application_runner import serve  # noqa: PLC0415 (no other command needs the server)

    raise typer.Exit(serve(config, settings, mistakes, read_at, takeover))
