"""The settings file as the commands take it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from sip_stager.config import Mistake, Settings, SettingsError, load
from sip_stager.config.loading.api_key import KeyUse
from sip_stager.config.loading.last_good import load_last_good, origin_of

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


def load_or_exit(path: Path, *, key_use: KeyUse = "needed", quiet: bool = False) -> Settings:
    """Load the settings and print their warnings; print every mistake and exit with 2 instead.

    ``key_use`` is as in ``load``.  ``quiet``: print no warnings.
    """
    try:
        settings = load(path, key_use=key_use, origin=origin_of(path))
        return settings if quiet else _warned(settings)
    except SettingsError as error:
        _exit(error.mistakes)


def load_or_fall_back(path: Path) -> tuple[Settings, tuple[str, ...]]:
    """Load the settings, else the last good ones, with the mistakes of the file.

    Print every mistake and exit with 2 if there are none of these either.
    """
    try:
        return _warned(load(path)), ()
    except SettingsError as error:
        mistakes = error.mistakes
    try:
        settings = load_last_good(path, os.environ)
    except SettingsError:
        settings = None
    if settings is None:
        _exit(mistakes)
    return settings, tuple(mistake.one_line for mistake in mistakes)


def _warned(settings: Settings) -> Settings:
    for warning in (*settings.warnings, *settings.placeholders):
        typer.echo(f"warning: {warning}", err=True)
    return settings


def _exit(mistakes: Sequence[Mistake]) -> NoReturn:
    for mistake in mistakes:
        typer.echo(str(mistake), err=True)
    verdict = f"NOT OK, {format_count(len(mistakes), 'mistake')}: the settings cannot be used"
    typer.echo(verdict, err=True)
    raise typer.Exit(2)


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: "1 mistake", "2 mistakes"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
