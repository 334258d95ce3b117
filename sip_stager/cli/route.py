"""The route command: what would happen to a call, and why."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from sip_stager.assembly import local_time
from sip_stager.cli.invite import make_invite
from sip_stager.cli.journey import Journey
from sip_stager.cli.settings_file import ConfigOption, load_or_exit
from sip_stager.trunks.mapping import Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.config import Settings, Trunk


To = Annotated[
    str, typer.Option("--to", metavar="NUMBER", help="Who is called: a number, name or URI.")
]
From = Annotated[
    str, typer.Option("--from", metavar="NUMBER", help="Who calls: a number, name or URI.")
]
TrunkName = Annotated[
    str, typer.Option(metavar="NAME", help="Whose call it is, where there are several trunks.")
]
Headers = Annotated[
    list[str] | None,
    typer.Option(metavar="'NAME: VALUE'", help="A header of the INVITE; may come again."),
]
Time = Annotated[str, typer.Option(metavar="TIME", help="When, like 2026-11-21T22:30; else now.")]


def route(
    config: ConfigOption,
    *,
    to: To,
    caller: From = "",
    trunk: TrunkName = "",
    header: Headers = None,
    at: Time = "",
) -> None:
    """Show what would happen to a call, step by step, and why.

    Where the called number is read and how, which row of the mapping takes it, which agent answers,
    what the API is told of the caller, where the INVITE goes on, and what is done where the call
    can not be staged. It places no call and asks nothing of the API. `--to` is the Request-URI.

    **Example:** `sip-stager route --config sip_stager.toml --to 0366725520 --from +33612345678
    --header 'Privacy: id'`

    **Exit codes:** 0 such a call would be staged; 1 it would be refused; 2 the command line or the
    settings are wrong.
    """
    settings = load_or_exit(config)
    try:
        invite = make_invite(to, caller, header or [])
        journey = Journey(settings, invite, _trunk(settings, trunk), _moment(at))
    except ValueError as error:
        typer.echo(f"sip-stager: {error}", err=True)
        raise typer.Exit(2) from None
    for step in journey.steps():
        typer.echo(step)
    raise typer.Exit(0 if journey.staged else 1)


def _trunk(settings: Settings, name: str) -> Trunk:
    """Find the trunk by its name; raises ``ValueError``."""
    trunks = {trunk.name: trunk for trunk in settings.trunks}
    if not name and len(trunks) == 1:
        return settings.trunks[0]
    if name not in trunks:
        wrong = f'no trunk is called "{name}"' if name else "there are several trunks"
        raise ValueError(f"{wrong}: write --trunk and one of {', '.join(trunks)}")
    return trunks[name]


def _moment(text: str) -> Callable[[str], Moment]:
    """Read a time, in the zone that it is asked for where it names none; raises ``ValueError``."""
    if not text:
        return local_time
    when = datetime.fromisoformat(text)

    def moment(zone: str) -> Moment:
        there = when.astimezone(ZoneInfo(zone)) if when.tzinfo else when
        return Moment(there.weekday(), there.hour * 60 + there.minute)

    return moment
