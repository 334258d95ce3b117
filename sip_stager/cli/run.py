"""The run command: take calls."""

import os
import time

import typer

from sip_stager.cli.settings_file import ConfigOption, load_or_fall_back
from sip_stager.config.loading.seal_keys import create_key


def run(config: ConfigOption) -> None:
    """Take calls until told to stop.

    Writes its log to stdout, one JSON object per line. SIGINT and SIGTERM stop it, SIGHUP makes it
    read the settings again, and other signals do nothing. If the settings are wrong at the start,
    it takes the last good ones from the state directory, and says so in its log.

    **Example:** `ROUNDED_API_KEY=... sip-stager run --config sip_stager.toml`

    **Exit codes:** 0 it was told to stop; 1 it could not start, because an address or port could
    not be listened on; 2 the settings are wrong (see `sip-stager check --help`), and there are no
    last good ones.
    """
    create_key(os.environ)
    read_at = time.time_ns()
    settings, mistakes = load_or_fall_back(config)
    from sip_stager.cli.application_runner import serve  # noqa: PLC0415 (no other command needs the server)

    raise typer.Exit(serve(config, settings, mistakes, read_at))
