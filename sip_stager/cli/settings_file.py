"""The settings file as the commands take it."""

from pathlib import Path
from typing import Annotated

import typer

from sip_stager.config import Settings, SettingsError, load
from sip_stager.config.loading.api_key import KeyUse

ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        readable=False,  # not checked here: `load` names the file's owner and the cure
        help="The settings (TOML); `sip-stager example` prints one with every key.",
    ),
]


def load_or_exit(path: Path, *, key_use: KeyUse = "needed") -> Settings:
    """Load the settings and print their warnings; print every mistake and exit with 2 instead.

    ``key_use`` is as in ``load``.
    """
    try:
        settings = load(path, key_use=key_use)
    except SettingsError as error:
        mistakes = error.mistakes
    else:
        for warning in (*settings.warnings, *settings.placeholders):
            typer.echo(f"warning: {warning}", err=True)
        return settings
    for mistake in mistakes:
        typer.echo(str(mistake), err=True)
    verdict = f"NOT OK, {format_count(len(mistakes), 'mistake')}: the settings cannot be used"
    typer.echo(verdict, err=True)
    raise typer.Exit(2)


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: "1 mistake", "2 mistakes"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
