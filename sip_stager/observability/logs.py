"""Logs as JSON, one object per line, from this program and from the libraries below it.

The rooms below write through the standard library; fields of theirs are in ``extra``.  The lines
of events, of which every call has two, take a shorter way: a ``Logger``.
"""

from __future__ import annotations

import json
import json.encoder
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_stager.observability.log_writer import LogWriter

# The standard library's JSON escapes everything but visible ASCII, so that text of a stranger
# cannot move a terminal's cursor; faster encoders do not.
_ENCODER = json.JSONEncoder(default=repr)


def _prepared_encoder() -> Callable[[Any, int], Iterable[str]]:
    """Return the encoder in C that ``_ENCODER.encode`` makes anew for each value.

    Unlike that it does not look for values that contain themselves; no event has one.
    """
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # not CPython
        return lambda value, _: _ENCODER.encode(value)
    escape, separators = json.encoder.encode_basestring_ascii, (": ", ", ")
    sorts, skips, allows_nan = False, False, True
    encode: Callable[[Any, int], Iterable[str]] = make(
        None, repr, escape, None, *separators, sorts, skips, allows_nan
    )
    return encode


_encode = _prepared_encoder()

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""The attributes that every record has; any other one is a field of the line."""


class Logger:
    """Writes a line for each event, with its fields, from a level up."""

    def __init__(self, file: TextIO, level: int = logging.INFO) -> None:
        self._write = file.write
        self._set_level(level)

    def set_level(self, level: str) -> None:
        """Write lines from that level up, as do the libraries from now on."""
        lowest = logging.getLevelNamesMapping()[level.upper()]
        logging.getLogger().setLevel(lowest)
        self._set_level(lowest)

    def _set_level(self, level: int) -> None:
        self._writes_info, self._writes_warnings = level <= logging.INFO, level <= logging.WARNING
        self.writes_debug = level <= logging.DEBUG

    def debug(self, event: str, **fields: Any) -> None:
        """Write a line for a person who looks for the reason of something."""
        if self.writes_debug:
            self._write_line(event, "debug", fields)

    def info(self, event: str, **fields: Any) -> None:
        """Write a line about normal operation."""
        if self._writes_info:
            self._write_line(event, "info", fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write a line about something that an operator may want to know."""
        if self._writes_warnings:
            self._write_line(event, "warning", fields)

    def error(self, event: str, **fields: Any) -> None:
        """Write a line about a fault of the program."""
        self._write_line(event, "error", fields)

    def _write_line(self, event: str, level: str, fields: dict[str, Any]) -> None:
        fields |= _own_fields(event, level)
        self._write("".join(_encode(fields, 0)) + "\n")


def set_up(writer: LogWriter, level: str = "info") -> Logger:
    """Send the lines of the standard library to the writer, from that level up; return a logger.

    ``level`` is one of the standard library's, in upper or lower case.
    """
    lowest = logging.getLevelNamesMapping()[level.upper()]
    file = cast("TextIO", writer)
    handler = logging.StreamHandler(file)
    handler.terminator = ""  # the line has its own
    handler.setFormatter(_Formatter())
    logging.basicConfig(handlers=[handler], level=lowest, force=True)
    return Logger(file, lowest)


class _Formatter(logging.Formatter):
    """Formats a record of the standard library like any other line."""

    def format(self, record: logging.LogRecord) -> str:
        attributes = vars(record)
        fields = {name: attributes[name] for name in attributes if name not in _RECORD_FIELDS}
        fields["logger"] = record.name
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        fields |= _own_fields(record.getMessage(), record.levelname.lower())
        # Anybody's fields may be in it, even one that contains itself.
        return _ENCODER.encode(fields) + "\n"


def _own_fields(event: str, level: str) -> dict[str, str]:
    timestamp = datetime.now(UTC).isoformat()[:-6] + "Z"  # instead of +00:00
    return {"event": event, "level": level, "timestamp": timestamp}
