"""The route command: what would happen to a call, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from sip_stager.assembly.admission import local_time, make_mapping
from sip_stager.cli.invite import make_invite
from sip_stager.cli.platform import platform_table
from sip_stager.cli.route_report import Journey
from sip_stager.cli.settings_file import ConfigOption, load_or_exit
from sip_stager.cli.source import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Settings
    from sip_stager.trunks.mapping import Moment, NumberMapping, Row


To = Annotated[
    str, typer.Option("--to", metavar="NUMBER", help="Who is called: a number, name or URI.")
]
From = Annotated[
    str,
    typer.Option(
        "--from", metavar="NUMBER", help="Who calls: a number, name, URI, or address with a name."
    ),
]
TrunkName = Annotated[
    str, typer.Option(metavar="NAME", help="Whose call it is, where there are several trunks.")
]
Source = Annotated[
    str,
    typer.Option(metavar="ADDRESS", help="The IP address that the call comes from; tells whose."),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(metavar="'NAME: VALUE'", help="A header of the INVITE; may come again."),
]
Online = Annotated[
    bool,
    typer.Option(
        "--online", help="Ask for the platform's numbers, too, where [api] numbers_refresh is set."
    ),
]
Time = Annotated[str, typer.Option(metavar="TIME", help="When, like 2026-11-21T22:30; else now.")]


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

    Which row of the mapping takes it and which agent answers, what the API is told, where the
    INVITE goes on, and what is done where the call can not be staged. The INVITE is put through the
    very code that decides calls. It places no call, and asks nothing of the API but, with
    `--online`, the platform's numbers. `--to` is the Request-URI.

    **Example:** `sip-stager route --config sip_stager.toml --to 0366725520 --from +33612345678
    --header 'Privacy: id'`

    **Exit codes:** 0 such a call would be staged, or go on as the platform redirects it; 1 it would
    be refused; 2 the command line, the settings or the list of the platform (`--online`) are wrong.
    """
    settings = load_or_exit(config)
    try:
        invite = make_invite(to, caller, header or [])
        origin = origin_of(settings, trunk, source)
        mapping = _mapping(settings, at, online=online)
        journey = Journey(settings, mapping, invite, origin, online=online)
    except ValueError as error:
        typer.echo(f"sip-stager: {error}", err=True)
        raise typer.Exit(2) from None
    for step in journey.steps():
        typer.echo(step)
    raise typer.Exit(0 if journey.staged else 1)


def _mapping(settings: Settings, at: str, *, online: bool) -> NumberMapping:
    """Make the mapping at a time, with the platform's numbers; raises ``ValueError``."""
    mapping = make_mapping(settings, _moment(at))
    if online and settings.api.numbers_refresh:
        mapping.platform = _platform_rows(settings)
    return mapping


def _platform_rows(settings: Settings) -> dict[str, Row]:
    """Fetch the rows of the platform's numbers; raises ``ValueError``."""
    table = platform_table(settings)
    if isinstance(table, str):
        raise ValueError(f"the platform's numbers could not be had: {table}")  # noqa: TRY004 a result
    return table.rows


def _moment(text: str) -> Callable[[str], Moment]:
    """Read a time, in the zone that it is asked for where it names none; raises ``ValueError``.

    One that a clock leaves out when it is put forward is as late as if it had not been.
    """
    if not text:
        return local_time
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"--at {text!r} is no time: write one like 2026-11-21T22:30") from None

    def moment(zone: str) -> Moment:
        there = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(zone))
        return local_time(zone, there.timestamp)

    return moment
