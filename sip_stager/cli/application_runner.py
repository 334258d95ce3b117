"""The server of the run command: the application with its signals and its log."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer
import uvloop

from sip_stager import __version__
from sip_stager.app import Application
from sip_stager.assembly.core import make_seal
from sip_stager.cli.open_files import fit_open_files
from sip_stager.cli.reloads import Reloads
from sip_stager.cli.service_manager import ServiceManager
from sip_stager.observability.event_log import EventLog, RecordLimits
from sip_stager.observability.gauges import LogFigures
from sip_stager.observability.log_writer import GATHERING_INTERVAL, LogWriter
from sip_stager.observability.logs import set_up
from sip_stager.observability.number_hash import number_hash

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from sip_stager.config import Settings
    from sip_stager.observability.call_log import CallLog
    from sip_stager.observability.logs import Logger
    from sip_stager.proxy.seal import Seal

_NO_EFFECT = "it has no effect; SIGTERM or SIGINT stops the program"
_HARMLESS_SIGNALS = {
    signal.SIGUSR1: _NO_EFFECT,
    signal.SIGUSR2: _NO_EFFECT,
    signal.SIGQUIT: _NO_EFFECT,
}


class Source(NamedTuple):
    """The file of the settings, its mistakes if it has any, and when it was read."""

    path: Path
    mistakes: tuple[str, ...]
    read_at: int

    @property
    def notice(self) -> str:
        """Why the last good settings are in force; empty if these are the file's."""
        if not self.mistakes:
            return ""
        words = f"{self.path} has mistakes; the last good settings are in force"
        return f"settings: {words}: {self.mistakes[0]}"


_EXPIRY_INTERVAL = 1.0
"""Seconds between two looks for calls whose ACK never came."""
_UNSEEN_TIMEOUT = 2.0
"""Seconds for the last lines of the calls that are up when the program stops."""
_LINES_AT_ONCE = 200


def serve(
    path: Path,
    settings: Settings,
    fallback: Sequence[str],
    read_at: int,
    takeover: Path | None = None,
) -> int:
    """Serve until told to stop, or taken over; return the exit code.

    It is 1 if an address could not be listened on.  The settings were read from ``path`` at
    ``read_at``, in nanoseconds since 1970.  If that file has mistakes, ``fallback`` has them, and
    the settings are the last good ones.
    """
    source = Source(path, tuple(fallback), read_at)
    settings, warnings = fit_open_files(settings)
    log_writer = LogWriter(sys.stdout.fileno())
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(source, settings, log_writer, warnings, takeover))
    finally:
        log_writer.close()


async def _serve(
    source: Source,
    settings: Settings,
    log_writer: LogWriter,
    warnings: Sequence[str],
    takeover: Path | None,
) -> int:
    logger = set_up(log_writer, settings.log.level)
    told_to_stop, at_once = _stop_on_signals()
    _log_harmless_signals(logger)
    seal, manager = make_seal(settings), ServiceManager()
    event_log = _make_event_log(settings, logger, seal)
    calls, history = event_log.calls, event_log.history
    figures = LogFigures(
        lines_dropped=lambda: log_writer.dropped,
        write_errors=lambda: log_writer.errors,
        call_records=lambda: len(calls.records),
        call_records_dropped=lambda: calls.records.dropped,
        history=lambda: history.figures if history is not None else {"calls": 0, "bytes": 0},
        history_dropped=lambda: history.dropped if history is not None else 0,
    )
    observers = event_log.observers
    application = Application(settings, observers, figures, source.notice, takeover, history)
    reloads = Reloads(source.path, settings, application, event_log, seal, manager)
    _reload_on_signal(reloads)
    background = [asyncio.ensure_future(_expire(calls))]
    try:
        starting = await _unless(told_to_stop, application.start())
        if not told_to_stop.is_set():
            background += map(
                asyncio.ensure_future, (reloads.run(), reloads.watch(), manager.keep_alive())
            )
            _announce(logger, settings, (*warnings, *starting))
            if source.mistakes:
                logger.error("settings_fallback", problems=source.mistakes, text=source.notice)
            else:
                await reloads.save(settings, source.read_at)
            manager.ready(reloads.status)
            await _serve_calls(application, told_to_stop, at_once, logger)
        manager.stopping(f"stopping; {application.pending} calls are being set up")
        logger.info("stopping", calls=application.pending)
    except OSError as error:
        for words in (error.strerror or str(error)).splitlines():
            typer.echo(f"sip-stager: {words}", err=True)
        return 1
    finally:
        await application.stop(at_once)
        for task in background:
            task.cancel()
        if left := await _end_unseen(calls, log_writer):
            logger.warning("call_ends_left_out", calls=left)
    logger.info("stopped")
    return 0


async def _serve_calls(
    application: Application, told_to_stop: asyncio.Event, at_once: asyncio.Event, logger: Logger
) -> None:
    """Serve until told to stop, or until a successor has had all new calls for long enough.

    A signal to stop means no less once a successor is there: the stay ends by itself.
    """
    superseded = application.takeover.superseded
    if application.takeover.predecessor is not None:
        logger.info("took_over", text="the process before us finishes its own calls")
    while not told_to_stop.is_set():
        await _first_of(told_to_stop, superseded)
        if superseded.is_set():
            logger.info("handed_over", calls=application.pending)
            if await application.takeover.stay(at_once):
                return
            logger.warning("taken_back", text="the successor ended; calls are taken again")


async def _first_of(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for one in waits:
        one.cancel()
    await asyncio.wait(waits)


def _make_event_log(settings: Settings, logger: Logger, seal: Seal) -> EventLog:
    return EventLog(
        logger,
        settings.log.numbers,
        hash_number=number_hash(settings.api.key.get_secret_value()),
        seal=seal,
        max_call_records=settings.limits.call_records,
        records=_record_limits(settings),
    )


def _record_limits(settings: Settings) -> RecordLimits | None:
    records = settings.records
    if not records.calls:
        return None
    return RecordLimits(records.calls, records.minutes * 60, records.bytes)


async def _expire(calls: CallLog) -> None:
    """End the calls whose ACK never came, for as long as the program runs."""
    while True:
        await asyncio.sleep(_EXPIRY_INTERVAL)
        calls.expire()


async def _end_unseen(calls: CallLog, log_writer: LogWriter) -> int:
    """Write the last lines of the calls that are up, at the pace of the log's reader.

    Return the number of calls whose line was not written in time.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _UNSEEN_TIMEOUT
    while (left := calls.end_unseen(_LINES_AT_ONCE)) and loop.time() < until:
        # A burst of them would find the buffer full, and be lost.
        while log_writer.is_half_full and loop.time() < until:  # noqa: ASYNC110  nothing to await
            await asyncio.sleep(GATHERING_INTERVAL)
    return left


async def _unless(
    event: asyncio.Event, work: Coroutine[None, None, Sequence[str]]
) -> Sequence[str]:
    """Run a coroutine; if the event comes first, cancel it and return nothing."""
    task, happened = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    await asyncio.wait((task, happened), return_when=asyncio.FIRST_COMPLETED)
    for one in (task, happened):
        one.cancel()
    # An ended task ignores the cancellation; the other one is awaited, so that none is left.
    await asyncio.wait((task, happened))
    return () if task.cancelled() else task.result()


def _stop_on_signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Return the events that the first signal and the second signal set."""
    told_to_stop, at_once = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        # The first signal drains the calls, the second one ends them at once.
        (at_once if told_to_stop.is_set() else told_to_stop).set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return told_to_stop, at_once


def _reload_on_signal(reloads: Reloads) -> None:
    # Whoever started the program may have it ignored, as nohup does: then it stays ignored.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloads.request)


def _log_harmless_signals(logger: Logger) -> None:
    """Log the signals that mean no stop; by default each of them would end the program.

    A log rotation sends SIGUSR1, a stray key SIGQUIT: neither may cost a call.
    """
    loop = asyncio.get_running_loop()
    for number, text in _HARMLESS_SIGNALS.items():
        # Whoever started the program may have it ignored, as nohup does: then it stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            log = partial(logger.warning, "signal_ignored", signal=number.name, text=text)
            loop.add_signal_handler(number, log)


def _announce(logger: Logger, settings: Settings, warnings: Sequence[str]) -> None:
    for warning in warnings:
        logger.warning("startup_warning", text=warning)
    logger.info(
        "ready",
        version=__version__,
        listeners=[f"{one.transport} {one.sent_by}" for one in settings.listeners],
        upstream=settings.upstream.uri,
        trunks=len(settings.trunks),
        numbers=len(settings.rows),
        metrics=f"http://{settings.http.address}:{settings.http.port}/metrics",
    )
