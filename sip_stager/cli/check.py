"""The check command: are these settings right, and what would they do."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from sip_stager.cli.dump import SHOWN, effective, plan
from sip_stager.cli.failure_report import failures
from sip_stager.cli.online import check_agents
from sip_stager.cli.platform import check_numbers, found_agents, platform_table
from sip_stager.cli.settings_file import ConfigOption, load_or_exit
from sip_stager.config import Settings

_WIDE = 200  # columns of output that goes into a file or a pipe, so that no row is broken


def check(
    config: ConfigOption,
    *,
    online: Annotated[
        bool,
        typer.Option(
            "--online",
            help="Also fetch the platform's numbers and each mapped agent from the API, with "
            "`[api] numbers_refresh` those of the platform's numbers too, and compare variables.",
        ),
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help=f"Show all numbers and agents, not only the first {SHOWN}."),
    ] = False,
) -> None:
    """Check the settings, and show what they would do.

    Prints the settings in effect, defaults included and secrets left out, and what becomes of a
    call to each mapped number. It places no call and opens no port.

    **Example:** `ROUNDED_API_KEY=... sip-stager check --config sip_stager.toml --online`

    **Exit codes:** 0 all is well; 1 an agent could not be fetched, a variable does not fit it, or
    `[api] numbers_refresh` wants numbers that can not be had (`--online`); 2 the settings
    are wrong, and stderr has the line and the key of each mistake, what is wrong and what would
    be right.
    """
    settings = load_or_exit(config)
    width = None if sys.stdout.isatty() else _WIDE
    console = Console(width=width, highlight=False, markup=False, emoji=False)
    for line in effective(settings):
        console.print(line, soft_wrap=True)
    _show_numbers(console, settings, every=every)
    if online:
        _check_online(console, settings, every=every)
    console.print(_verdict(settings))


def _check_online(console: Console, settings: Settings, *, every: bool) -> None:
    table = platform_table(settings)
    complaints = (
        *check_numbers(settings, table, console),
        *check_agents(settings, found_agents(settings, table), console, every=every),
    )
    if complaints:
        typer.echo("\n".join(complaints), err=True)
        raise typer.Exit(1)


def _show_numbers(console: Console, settings: Settings, *, every: bool) -> None:
    rows = settings.numbers if every else settings.numbers[:SHOWN]
    for line in plan(settings, rows):
        console.print(line, soft_wrap=True)
    if len(rows) < len(settings.numbers):
        console.print(f"... and {len(settings.numbers) - len(rows)} more (--all shows them)")
    console.print()
    for line in failures(settings):
        console.print(line, soft_wrap=True)
    console.print()


def _verdict(settings: Settings) -> str:
    listeners = ", ".join(f"{each.transport}:{each.sent_by}" for each in settings.listeners)
    agents = {agent for several in settings.agents.values() for agent in several}
    return (
        f"OK: peers reach it at {listeners}; trunks: {len(settings.trunks)}, "
        f"numbers: {len(settings.numbers)}, agents: {len(agents)}"
    )
