"""A logger that passes the last lines of calls to the history as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sip_stager.observability.logs import Logger


class RecordingLogger:
    """Stands in for a ``Logger`` where the last lines are written.

    Without a history the log has its logger itself, so a line takes no further step.
    """

    def __init__(self, logger: Logger, note_end: Callable[[Mapping[str, Any]], None]) -> None:
        self._logger, self._note_end = logger, note_end

    def info(self, event: str, **fields: Any) -> None:
        """Write a line about normal operation."""
        self._note(event, fields)
        self._logger.info(event, **fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Write a line about something that an operator may want to know."""
        self._note(event, fields)
        self._logger.warning(event, **fields)

    def _note(self, event: str, fields: dict[str, Any]) -> None:
        if event == "call_ended":
            self._note_end(fields)
        elif event == "calls_ended":  # one line for many refused calls
            shared = {name: fields[name] for name in fields if name not in {"count", "calls"}}
            for call in fields["calls"]:
                self._note_end({**shared, **call})
