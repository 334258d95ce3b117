"""The route command: what would happen to a call, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from sip_stager.assembly.trunks import local_time, make_mapping
from sip_stager.cli.invite import make_invite
from sip_stager.cli.platform_numbers_report import fetch_numbers
from sip_stager.cli.route_report import RouteReport
from sip_stager.cli.settings_file import ConfigOption, load_or_exit
from sip_stager.cli.source_address import find_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Settings
    from sip_stager.trunks.mapping import Moment, NumberMapping, Row


To = Annotated[str, typer.Option("--to", metavar="NUMBER", help="The called number, name or URI.")]
From = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="NUMBER",
        help="The caller: a number, name, URI or address.",
    ),
]
TrunkName = Annotated[
    str,
    typer.Option(metavar="NAME", help="The trunk of the call, if there are several."),
]
Source = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="The source address of the call, instead of --trunk."),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(metavar="'NAME: VALUE'", help="A header of the INVITE; can be repeated."),
]
Online = Annotated[
    bool,
    typer.Option(
        "--online",
        help="Fetch the platform's numbers too, if [api] numbers_refresh_interval is set.",
    ),
]
Time = Annotated[
    str,
    typer.Option(metavar="TIME", help="The time of the call, like 2026-11-21T22:30."),
]


def route(
    config: ConfigOption,
    *,
    to: To,
    caller: From = "",
    trunk: TrunkName = "",
    source: Source = "",
    header: Headers = None,
    at: Time = "",
    online: Online = False,
) -> None:
    """Show what would happen to a call, step by step, and why.

    Shows which row of the mapping the call matches and which agent answers, what the API is told,
    where the INVITE is sent, and what happens if the call cannot be staged. The INVITE goes through
    the same code that decides real calls. Places no call, and asks the API for nothing but, with
    `--online`, the platform's numbers. `--to` is the Request-URI.

    **Example:** `sip-stager route --config sip_stager.toml --to 0366725520 --from +33612345678
    --header 'Privacy: id'`

    **Exit codes:** 0 the call would be staged, or forwarded where the platform redirects the
    number; 1 it would be refused; 2 the command line or the settings are wrong, or the platform's
    numbers (`--online`) could not be fetched.
    """
    settings = load_or_exit(config, key_use="needed" if online else "of_unit")
    try:
        invite = make_invite(to, caller, header or [])
        call_source = find_source(settings, trunk, source)
        mapping = _mapping(settings, at, online=online)
        report = RouteReport(settings, mapping, invite, call_source, online=online)
    except ValueError as error:
        typer.echo(f"sip-stager: {error}", err=True)
        raise typer.Exit(2) from None
    for step in report.steps():
        typer.echo(step)
    raise typer.Exit(0 if report.staged else 1)


def _mapping(settings: Settings, at: str, *, online: bool) -> NumberMapping:
    """Return the mapping at a time, with the platform's numbers; raises ``ValueError``."""
    mapping = make_mapping(settings, _moment(at))
    if online and settings.api.numbers_refresh_interval:
        mapping.platform = _platform_rows(settings)
    return mapping


def _platform_rows(settings: Settings) -> dict[str, Row]:
    """Fetch the rows of the platform's numbers; raises ``ValueError``."""
    table = fetch_numbers(settings)
    if isinstance(table, str):
        raise ValueError(f"the platform's numbers could not be fetched: {table}")  # noqa: TRY004 (a result, not a type)
    return table.rows


def _moment(text: str) -> Callable[[str], Moment]:
    """Parse a time; without an offset it is local to each number's zone. Raises ``ValueError``.

    A time that the change to summer time skips is read as if the clock had not changed.
    """
    if not text:
        return local_time
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--at {text!r} is not a time: write one like 2026-11-21T22:30") from None

    def moment(zone: str) -> Moment:
        there = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))
        return local_time(zone, there.timestamp)

    return moment
