"""Logs as JSON, one object per line, from this program and from the libraries below it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, TextIO, cast

import structlog

if TYPE_CHECKING:
    from structlog.types import EventDict, FilteringBoundLogger, Processor, WrappedLogger

    from sip_stager.observability.log_sink import LogSink

# The standard library's JSON escapes everything but visible ASCII, so that text of a stranger
# cannot move a terminal's cursor; faster encoders do not.
_ENCODE = json.JSONEncoder(default=repr).encode


def set_up(sink: LogSink, level: str = "info") -> FilteringBoundLogger:
    """Send the lines of structlog and the standard library to the sink, from that level up.

    ``level`` is one of the standard library's, in upper or lower case.
    """
    lowest = logging.getLevelNamesMapping()[level.upper()]
    stamps: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    file = cast("TextIO", sink)
    structlog.configure(
        processors=[*stamps, structlog.processors.format_exc_info, _render],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=structlog.WriteLoggerFactory(file),
        # Modules ask for their logger when they are imported, before the settings are known.
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_handler(file, stamps)], level=lowest, force=True)
    logger: FilteringBoundLogger = structlog.get_logger().bind()
    return logger


def _handler(file: TextIO, stamps: list[Processor]) -> logging.Handler:
    handler = logging.StreamHandler(file)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *stamps],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _render,
            ],
        )
    )
    return handler


def _render(_logger: WrappedLogger, _level: str, event: EventDict) -> str:
    return _ENCODE(event)
