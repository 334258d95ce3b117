"""The settings file as the commands take it."""

from pathlib import Path
from typing import Annotated

import typer

from sip_stager.config import Settings, SettingsError, load

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The settings (TOML); `sip-stager example` prints one with every key.",
    ),
]


def load_or_exit(path: Path) -> Settings:
    """Load the settings; where they are wrong, say everything on stderr and exit with 2."""
    try:
        settings = load(path)
    except SettingsError as error:
        mistakes = error.mistakes
    else:
        for warning in settings.warnings:
            typer.echo(f"warning: {warning}", err=True)
        return settings
    for mistake in mistakes:
        typer.echo(str(mistake), err=True)
    raise typer.Exit(2)
