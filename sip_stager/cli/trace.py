"""The trace command: one call of a running program as a ladder."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.console import Console
from rich.text import Text

from sip_stager.cli.find import At, From, To, Within, given_numbers, time_filter
from sip_stager.cli.nodes import CALLS_PATH, DEFAULT_NODE, Answer, ask_all
from sip_stager.cli.pcap import write_pcap
from sip_stager.cli.settings_file import format_count
from sip_stager.observability.ladder import PREFIX, drawn, heading, print_line
from sip_stager.observability.ladder_model import Column, Step, printable

_COLUMNS = {
    "caller": Column.CALLER,
    "sip-stager": Column.PROXY,
    "api": Column.API,
    "agent": Column.AGENT,
}
_STYLES = frozenset({"", "dim", "cyan", "magenta", "green", "yellow", "red"})

CallId = Annotated[
    str, typer.Argument(metavar="[CALL-ID]", help="The Call-ID, as the log or the carrier has it.")
]
Node = Annotated[
    list[str],
    typer.Option(metavar="URL", help="A running program's [http] address; may be repeated."),
]
Last = Annotated[int, typer.Option(metavar="N", min=1, help="Show at most the last N calls.")]
Messages = Annotated[bool, typer.Option("--messages", help="Print each SIP message in full.")]

Pcap = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Write the messages to a capture as well, for Wireshark."),
]


def trace(
    call_id: CallId = "",
    *,
    caller: From = "",
    to: To = "",
    at: At = "",
    within: Within = 5.0,
    last: Last = 1,
    messages: Messages = False,
    pcap: Pcap = None,
    node: Node = [DEFAULT_NODE],  # noqa: B006  Typer reads it
) -> None:
    """Show a call of a running program: one sentence, then its ladder with the HTTP step.

    The sentence says what happened, and whose side it is due to: caller, trunk, us, API, upstream
    or agent. The ladder has each SIP message, and between them the requests to the API with the
    time of each phase. Needs `[records] calls` in the settings of the program.

    Numbers are masked, unless `[log] numbers` is `plain`; credentials are never shown.

    **Examples:** `sip-stager trace 4f1c@203.0.113.7`

    `sip-stager trace --from +33612345678 --at 10:42`

    `sip-stager trace 4f1c@203.0.113.7 --pcap call.pcap`

    `sip-stager trace --to +33366725520 --node http://10.0.0.5:9090 --node http://10.0.0.6:9090`

    **Exit codes:** 0 a call was found; 1 none was; 2 the command line is wrong, or no node
    answered.
    """
    try:
        found = _by_id(call_id, node) if call_id else _by_numbers(caller, to, at, within, node)
    except ValueError as error:
        typer.echo(f"sip-stager: {error}", err=True)
        raise typer.Exit(2) from None
    if not found:
        typer.echo("no call was found: it may be older than [records] minutes", err=True)
        raise typer.Exit(1)
    console = Console()
    found.sort(key=lambda one: str(one["call"].get("started_at")))
    for one in found[-last:]:
        _show(console, one, messages=messages)
    if pcap is not None:
        _write_pcap(pcap, found[-last:])
    if left := len(found[:-last]):
        typer.echo(f"{left} earlier left out: narrow it with --at, or raise --last", err=True)


def _write_pcap(path: Path, calls: list[dict[str, Any]]) -> None:
    try:
        count = write_pcap(path, calls)
    except OSError as error:
        typer.echo(f"sip-stager: {path}: {error.strerror}", err=True)
        raise typer.Exit(2) from None
    typer.echo(f"{path}: {format_count(count, 'message')}", err=True)


def _by_id(call_id: str, nodes: list[str]) -> list[dict[str, Any]]:
    answers = ask_all(nodes, f"{CALLS_PATH}/{quote(call_id, safe='')}", {})
    _warn(answer for answer in answers if "no call with this" not in answer.error)
    if all(answer.error and "no call with this" not in answer.error for answer in answers):
        raise typer.Exit(2)
    return [answer.value for answer in answers if not answer.error]


def _by_numbers(
    caller: str, to: str, at: str, within: float, nodes: list[str]
) -> list[dict[str, Any]]:
    query = dict(given_numbers(caller, to))
    fits = time_filter(at, timedelta(minutes=within))
    answers = ask_all(nodes, CALLS_PATH, query | {"limit": "1000"})
    _warn(answers)
    if all(answer.error for answer in answers):
        raise typer.Exit(2)
    found = []
    for answer in answers:
        calls = [call for call in answer.value.get("calls", ()) if fits(*_times(call))]
        for call in calls[:20]:
            path = f"{CALLS_PATH}/{quote(str(call['call_id']), safe='')}"
            found += [one.value for one in ask_all([answer.node], path, {}) if not one.error]
    return found


def _warn(answers: Any) -> None:
    for answer in answers:
        if isinstance(answer, Answer) and answer.error:
            typer.echo(f"sip-stager: {answer.node}: {printable(answer.error)}", err=True)


def _times(call: dict[str, Any]) -> tuple[datetime, datetime]:
    began = datetime.fromisoformat(call["started_at"])
    return began, began + timedelta(seconds=float(call.get("last_seconds", 0)))


def _show(console: Console, one: dict[str, Any], *, messages: bool) -> None:
    call = one["call"]
    numbers = f"{call.get('from_number', '(unknown)')} -> {call.get('to_number', '(unknown)')}"
    verdict = ""
    if "cause" in call:
        verdict = f" [side: {call.get('side')}, cause: {call['cause']}]"
    sentence = f"{call['started_at']}  {numbers}  {call.get('sentence', '')}{verdict}"
    typer.echo(printable(sentence))
    typer.echo(printable(f"Call-ID {call['call_id']}, trunk {call.get('trunk') or '(none)'}"))
    print_line(console, Text(heading(), "bold"))
    for step in one["ladder"]:
        _show_step(console, step)
        if messages and "message" in step:
            for line in str(step["message"]).splitlines():
                typer.echo(f"{'':{PREFIX}}  {printable(line)}")
    if one.get("left_out"):
        typer.echo(f"{'':{PREFIX}}{one['left_out']} later messages were not recorded")
    typer.echo("")


def _show_step(console: Console, step: dict[str, Any]) -> None:
    """Print the rows of a step; whatever a node answers, only visible ASCII is printed."""
    ends = _COLUMNS[step["from"]], _COLUMNS[step["to"]]
    again = "again: " if step.get("repeated") else ""
    style = step["style"] if step.get("style") in _STYLES else ""
    line = Step(*ends, printable(again + str(step["text"])), "yellow" if again else style)
    prefix = f"{float(step['at']) * 1000:{PREFIX - 1}.1f} "
    for row in drawn(line, console.width - PREFIX):
        print_line(console, Text(prefix, "dim").append_text(row))
        prefix = " " * PREFIX
