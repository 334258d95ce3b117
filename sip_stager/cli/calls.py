"""The calls command: the last calls of running programs, one line each."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sip_stager.cli.find import At, From, To, Within, given_numbers, time_filter
from sip_stager.cli.nodes import CALLS_PATH, DEFAULT_NODE, ask_all
from sip_stager.observability.ladder_model import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_stager.cli.nodes import Answer

FOLLOW_INTERVAL = 1.0  # seconds
MAX_SHOWN = 10_000
"""Calls that a follower remembers as shown; more than the nodes list at once."""

Node = Annotated[
    list[str],
    typer.Option(metavar="URL", help="A running program's [http] address; may be repeated."),
]
Last = Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="At most the last N calls.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on with each call as it ends.")]
Trunk = Annotated[str, typer.Option(metavar="NAME", help="Calls of this trunk.")]
Side = Annotated[
    str,
    typer.Option(
        metavar="SIDE",
        help="Whose side the end is due to: caller, trunk, us, api, upstream, agent.",
    ),
]
Cause = Annotated[str, typer.Option(metavar="CAUSE", help="The cause, as in the log: timeout.")]
StagedId = Annotated[str, typer.Option(metavar="ID", help="The platform's id of the call.")]


def calls(
    *,
    caller: From = "",
    to: To = "",
    at: At = "",
    within: Within = 5.0,
    trunk: Trunk = "",
    side: Side = "",
    cause: Cause = "",
    staged_id: StagedId = "",
    last: Last = 20,
    follow: Follow = False,
    node: Node = [DEFAULT_NODE],  # noqa: B006  Typer reads it
) -> None:
    """List the last calls of a running program, one line each, the newest last.

    A line has the time, the numbers, one sentence, whose side it is due to, and the Call-ID for
    `sip-stager trace`. Needs `[records] calls` in the settings of the program.

    **Examples:** `sip-stager calls --side api`

    `sip-stager calls --to +33366725520 --at 10:42`

    `sip-stager calls --follow --node http://10.0.0.5:9090 --node http://10.0.0.6:9090`

    **Exit codes:** 0 there are such calls, or a follower was stopped; 1 there are none; 2 the
    command line is wrong, or no node answered.
    """
    filters = {"trunk": trunk, "side": side, "cause": cause, "staged_id": staged_id}
    query = {name: value for name, value in filters.items() if value}
    try:
        query |= dict(given_numbers(caller, to)) if caller or to else {}
        fits = time_filter(at, timedelta(minutes=within))
    except ValueError as error:
        typer.echo(f"sip-stager: {error}", err=True)
        raise typer.Exit(2) from None
    if follow:
        _follow(node, query | {"state": "ended"}, fits, last)
        return
    answers = ask_all(node, CALLS_PATH, query | {"limit": "1000"})
    _warn(answers)
    found = _listed(answers, fits)
    for call in found[-last:]:
        typer.echo(_line(call))
    if not found:
        typer.echo("no such call is in the history", err=True)
        raise typer.Exit(1)


def _follow(
    nodes: list[str],
    query: dict[str, str],
    fits: Callable[[datetime, datetime], bool],
    last: int,
) -> None:
    """Print calls as they end, until the operator stops it."""
    shown: dict[tuple[str, str, str], None] = {}
    limit = last
    try:
        while True:
            answers = ask_all(nodes, CALLS_PATH, query | {"limit": "1000"})
            _warn(answers)
            new = [call for call in _listed(answers, fits) if _identity(call) not in shown]
            shown |= dict.fromkeys(map(_identity, new))
            for call in new[-limit:]:
                typer.echo(_line(call))
            while len(shown) > MAX_SHOWN:
                del shown[next(iter(shown))]
            limit = MAX_SHOWN  # of the first answer the last few, of each later one all
            time.sleep(FOLLOW_INTERVAL)
    except KeyboardInterrupt:
        return


def _warn(answers: Iterable[Answer]) -> None:
    """Print why nodes did not answer; exit if none did."""
    errors = [answer for answer in answers if answer.error]
    for answer in errors:
        typer.echo(f"sip-stager: {answer.node}: {printable(answer.error)}", err=True)
    if errors and all(answer.error for answer in answers):
        raise typer.Exit(2)


def _listed(
    answers: Iterable[Answer], fits: Callable[[datetime, datetime], bool]
) -> list[dict[str, Any]]:
    """Return the calls of all nodes that were up at the time, the newest last."""
    found = []
    for answer in answers:
        for call in answer.value.get("calls", ()):
            began = datetime.fromisoformat(call["started_at"])
            if fits(began, began + timedelta(seconds=float(call.get("last_seconds", 0)))):
                found.append(call)
    return sorted(found, key=lambda call: str(call["started_at"]))


def _identity(call: dict[str, Any]) -> tuple[str, str, str]:
    return str(call["call_id"]), str(call["started_at"]), str(call.get("sentence"))


def _line(call: dict[str, Any]) -> str:
    numbers = f"{call.get('from_number', '(unknown)')} -> {call.get('to_number', '(unknown)')}"
    verdict = f" [{call.get('side')}: {call['cause']}]" if "cause" in call else ""
    sentence = call.get("sentence", "")
    return printable(f"{call['started_at']}  {numbers}  {sentence}{verdict}  {call['call_id']}")
