"""Logs as JSON, one object per line, from this program and from the libraries below it.

The rooms below write through the standard library; fields of theirs are in ``extra``.  The lines
of events, of which every call has two, take a shorter way: a ``Logger``.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from sip_stager.observability.log_writer import LogWriter

# The standard library's JSON escapes everything but visible ASCII, so that text of a stranger
# cannot move a terminal's cursor; faster encoders do not.
_ENCODE = json.JSONEncoder(default=repr).encode

_RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
"""The attributes that every record has; any other one is a field of the line."""


class Logger:
    """Writes a line for each event, with its fields, from a level up."""

    def __init__(self, file: TextIO, level: int = logging.INFO) -> None:
        self._write, self._level = file.write, level

    def info(self, event: str, **fields: Any) -> None:
        """Write a line about normal operation."""
        if self._level <= logging.INFO:
            self._write(_line(event, "info", fields))

    def warning(self, event: str, **fields: Any) -> None:
        """Write a line about something that an operator may want to know."""
        if self._level <= logging.WARNING:
            self._write(_line(event, "warning", fields))

    def error(self, event: str, **fields: Any) -> None:
        """Write a line about a fault of the program."""
        self._write(_line(event, "error", fields))


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
        return _line(record.getMessage(), record.levelname.lower(), fields)


def _line(event: str, level: str, fields: dict[str, Any]) -> str:
    fields["event"], fields["level"] = event, level
    fields["timestamp"] = datetime.now(UTC).replace(tzinfo=None).isoformat() + "Z"
    return _ENCODE(fields) + "\n"
