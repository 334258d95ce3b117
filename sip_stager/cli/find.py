"""The find command: what happened to a call, from the log."""

from __future__ import annotations

import json
import os
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sip_stager.cli.log_files import LogFiles
from sip_stager.cli.log_search import CallSearch, FoundCall, wanted
from sip_stager.cli.settings_file import format_count, load_or_exit
from sip_stager.config.loading.api_key import DEFAULT_VARIABLE
from sip_stager.observability.number_hash import number_hash
from sip_stager.trunks.phone_numbers import is_e164, to_e164

if TYPE_CHECKING:
    from collections.abc import Callable

Log = Annotated[
    Path,
    typer.Option(
        metavar="FILE",
        help="The log; rotated files beside it (FILE.1, FILE.2.gz) are read too. - reads stdin.",
    ),
]
From = Annotated[
    str, typer.Option("--from", metavar="NUMBER", help="The caller's number, like +33612345678.")
]
To = Annotated[str, typer.Option("--to", metavar="NUMBER", help="The called number.")]
At = Annotated[
    str,
    typer.Option(
        metavar="TIME",
        help="When the call was up: 10:42 of any day in this machine's zone, 10:42Z in UTC, "
        "or 2026-12-01T10:42.",
    ),
]
Within = Annotated[
    float, typer.Option(metavar="MINUTES", min=0.0, help="How far from --at the call may be.")
]
Last = Annotated[int, typer.Option(metavar="N", min=1, help="Show at most the last N calls.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", help=f"Settings with the API key, if ${DEFAULT_VARIABLE}"
        " is not set."
    ),
]  # fmt: skip


def find(
    log: Log,
    *,
    caller: From = "",
    to: To = "",
    at: At = "",
    within: Within = 5.0,
    last: Last = 20,
    config: Config = None,
) -> None:
    """Find a call in the log, and show what happened to it.

    Prints for each call that matches one sentence: what happened, whose side it is due to (caller,
    trunk, us, API, upstream, agent) and the cause. Its log lines follow, in order. Give the number
    of the caller, the called number, or both, in E.164.

    The log holds no numbers, but a hash beside each masked one, made with a key from the API key:
    so the API key with which the log was written is needed, in `$ROUNDED_API_KEY` or the settings.
    Without it, masked numbers are compared, and calls of others may be among those found.

    **Examples:** `sip-stager find --log /var/log/sip-stager.log --from +33612345678 --at 10:42`

    `journalctl -u sip-stager -o cat --since today | sip-stager find --log - --to +33366725520`

    **Exit codes:** 0 a call was found; 1 none was; 2 the command line is wrong, or the log cannot
    be read.
    """
    try:
        numbers = given_numbers(caller, to)
        fits = time_filter(at, timedelta(minutes=within))
        files = LogFiles(log)
    except (ValueError, OSError) as error:
        raise _failed(error) from None
    key = _key(config)
    hash_number = number_hash(key) if key else None
    if not key:
        why = f"${DEFAULT_VARIABLE} is not set, and there is no --config"
        typer.echo(f"{why}: masked numbers are compared, which others may share", err=True)
    search = CallSearch([wanted(*one, hash_number) for one in numbers], fits, last)
    with closing(files):
        try:
            search.find(files.lines())
            calls = search.collect(files.lines())
        except OSError as error:
            raise _failed(error) from None
        for warning in files.warnings:
            typer.echo(f"warning: {warning}", err=True)
        if not calls:
            _explain_none(files, numbers, fits, has_key=bool(key))
            raise typer.Exit(1)
    for call in calls:
        _show(call)
    if search.left_out:
        more = format_count(search.left_out, "earlier call")
        typer.echo(f"{more} left out: narrow it with --at, or raise --last", err=True)


def _failed(error: Exception) -> typer.Exit:
    if isinstance(error, OSError) and error.filename:
        error = OSError(f"{error.filename}: {error.strerror}")
    typer.echo(f"sip-stager: {error}", err=True)
    return typer.Exit(2)


def given_numbers(caller: str, to: str) -> list[tuple[str, str]]:
    """Return each number with its side; raises ``ValueError`` if there is none."""
    given = [(side, number.strip()) for side, number in (("from", caller), ("to", to)) if number]
    if not given:
        raise ValueError("write --from NUMBER, --to NUMBER, or both")
    return [(side, to_e164(number)) for side, number in given]


def _key(config: Path | None) -> str:
    if config is not None:
        return load_or_exit(config).api.key.get_secret_value()
    return os.environ.get(DEFAULT_VARIABLE, "").strip()


def time_filter(text: str, margin: timedelta) -> Callable[[datetime, datetime], bool]:
    """Return a test of a call's first and last time; raises ``ValueError``."""
    if not text:
        return lambda _began, _ended: True
    any_day = "T" not in text and "-" not in text.partition("+")[0] and " " not in text.strip()
    try:
        when = datetime.fromisoformat(f"2000-01-01T{text}" if any_day else text)
    except ValueError:
        right = "write one like 10:42, 10:42Z or 2026-12-01T10:42"
        raise ValueError(f"--at {text!r} is not a time: {right}") from None

    def fits(began: datetime, ended: datetime) -> bool:
        moments = [when if when.tzinfo else when.astimezone()]
        if any_day:
            days = [began.astimezone(when.tzinfo).date() + timedelta(days=n) for n in (-1, 0, 1)]
            days.append(ended.astimezone(when.tzinfo).date())
            moments = [_on(day, when) for day in days]
        return any(began - margin <= moment <= ended + margin for moment in moments)

    return fits


def _on(day: date, when: datetime) -> datetime:
    moment = when.replace(year=day.year, month=day.month, day=day.day)
    return moment if moment.tzinfo else moment.astimezone()


def _explain_none(
    files: LogFiles,
    numbers: list[tuple[str, str]],
    fits: Callable[[datetime, datetime], bool],
    *,
    has_key: bool,
) -> None:
    """Print why nothing may have been found."""
    typer.echo(f"no call was found in {files.names}", err=True)
    for _, number in numbers:
        if not is_e164(number):
            typer.echo(f"{number} is not in E.164, as the log is: write +33612345678", err=True)
    if has_key:
        masked = CallSearch([wanted(*one, None) for one in numbers], fits, 1)
        masked.find(files.lines())
        if masked.collect(()):
            why = "was the log written with another API key?"
            typer.echo(f"calls of numbers that look alike when masked are there: {why}", err=True)


def _show(call: FoundCall) -> None:
    for end in call.ends:
        numbers = f"{end.get('from_number', '(unknown)')} -> {end.get('to_number', '(unknown)')}"
        began = end.get("started_at") or end.get("timestamp", "")
        verdict = f"[side: {end.get('side')}, cause: {end.get('cause')}]"
        typer.echo(printable(f"{began}  {numbers}  {end.get('sentence', '')} {verdict}"))
    if not call.ends:
        typer.echo(f"{call.began:%Y-%m-%dT%H:%M:%SZ}  The log has no end of this call: it is up.")
    for line in call.lines:
        typer.echo(f"  {json.dumps(line)}")
    typer.echo("")


def printable(text: str) -> str:
    """Escape what could move a terminal's cursor: strangers choose some of the words."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
