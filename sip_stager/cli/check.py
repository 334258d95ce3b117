"""The check command: are these settings right, and what do they do."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sip_stager.cli.fallback_report import describe_failures
from sip_stager.cli.online_check import OnlineReport, ask
from sip_stager.cli.seal_report import describe_seal
from sip_stager.cli.settings_dump import SHOWN, describe_numbers, describe_settings
from sip_stager.cli.settings_file import ConfigOption, format_count, load_or_exit
from sip_stager.cli.stop_timeout import warn_of_early_kill
from sip_stager.config import Settings
from sip_stager.config.restart import find_restart_keys

_WIDE = 200  # columns of output that goes into a file or a pipe, so that no row is broken


def check(
    config: ConfigOption,
    *,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Also look up all names, send OPTIONS to the upstreams, fetch the platform's "
            "numbers and each mapped agent from the API, and compare the variables. With "
            "`[api] numbers_refresh_interval` the agents of the platform's numbers are included.",
        ),
    ] = False,
    without_key: Annotated[
        bool,
        typer.Option(
            "--without-key",
            help="Do not look for the API key. With `--online`, the API is not asked.",
        ),
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Also name the keys whose change needs a restart, compared with these settings.",
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help=f"Show defaults too, and all numbers and agents beyond the first {SHOWN}."
        ),
    ] = False,
) -> None:
    """Check the settings, and show what they do.

    Prints warnings and the verdict first, then the settings that differ from their defaults
    (secrets left out), and what happens to a call to each mapped number. Places no call and opens
    no port. An API key that only the systemd unit can read is a warning.

    **Example:** `ROUNDED_API_KEY=... sip-stager check --config sip_stager.toml --online`

    **Exit codes:** 0 the settings can be used, perhaps with warnings; 1 `--online` found a problem:
    a name that does not resolve, an upstream that does not answer OPTIONS, an agent that could not
    be fetched, a variable that does not fit its agent, or a list of numbers that could not be
    fetched; 2 the settings are wrong, and stderr has the line and the key of each mistake, what is
    wrong and what would be right.
    """
    settings = load_or_exit(config, key_use="unused" if without_key else "of_unit")
    width = None if sys.stdout.isatty() else _WIDE
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    report = OnlineReport()
    if online:
        report = ask(settings, console, every=every, with_key=not without_key)
    for line in report.problems:
        typer.echo(line, err=True)
    early_kill = warn_of_early_kill(settings.limits.drain_timeout)
    if early_kill:
        typer.echo(f"warning: {early_kill}", err=True)
    console.print(
        _verdict(settings, len(report.problems), bool(early_kill)), style="bold", soft_wrap=True
    )
    if against is not None:
        console.print(_describe_reload(against, settings), soft_wrap=True)
    console.print()
    for part in report.parts:
        console.print(part, soft_wrap=isinstance(part, str))
    _show_settings(console, settings, every=every)
    if report.problems:
        raise typer.Exit(1)


def _describe_reload(running: Path, wanted: Settings) -> str:
    """Return whether a reload is enough for settings that take the place of others."""
    before = load_or_exit(running, key_use="unused", quiet=True)
    keys = find_restart_keys(before, wanted)
    if not keys:
        return f"compared with {running}: a reload is enough"
    return f"compared with {running}: these keys need a restart: {', '.join(keys)}"


def _show_settings(console: Console, settings: Settings, *, every: bool) -> None:
    for line in describe_settings(settings, every=every):
        console.print(line, soft_wrap=True)
    rows = settings.rows if every else settings.rows[:SHOWN]
    for line in describe_numbers(settings, rows):
        console.print(line, soft_wrap=True)
    if len(rows) < len(settings.rows):
        console.print(f"... and {len(settings.rows) - len(rows)} more (--all shows them)")
    console.print()
    for line in describe_failures(settings, every=every):
        console.print(line, soft_wrap=True)
    console.print()
    for line in describe_seal(settings):
        console.print(line, soft_wrap=True)
    if not every:
        console.print("\nSettings at their defaults are left out; --all shows them.")


def _verdict(settings: Settings, problems: int, more_warnings: int) -> str:
    listeners = ", ".join(f"{each.transport}:{each.sent_by}" for each in settings.listeners)
    agents = {agent for several in settings.agents.values() for agent in several}
    return (
        f"{_state(settings, problems, more_warnings)}: peers reach it at {listeners}; "
        f"trunks: {len(settings.trunks)}, numbers: {len(settings.rows)}, agents: {len(agents)}"
    )


def _state(settings: Settings, problems: int, more_warnings: int) -> str:
    if problems:
        return f"NOT OK, {format_count(problems, 'problem')}"
    if settings.placeholders:
        return f"NOT READY, {format_count(len(settings.placeholders), 'placeholder')} to replace"
    if warnings := len(settings.warnings) + more_warnings:
        return f"OK, {format_count(warnings, 'warning')}"
    return "OK"
