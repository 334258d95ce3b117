"""A call as a ladder: caller, proxy, API and agent side by side, one line per message."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from sip_stager.events import MessageReceived, MessageSent
from sip_stager.observability.dispatcher import handlers_of_all
from sip_stager.observability.ladder_model import Column
from sip_stager.observability.ladder_steps import call_key, from_tag, step
from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from sip_stager.events import Event
    from sip_stager.observability.ladder_model import Step
    from sip_stager.ports import Handlers

MAX_CALLS = 1000
"""Calls remembered; the oldest is forgotten, and gets a new number if it goes on."""

MAX_MESSAGES = 100
"""Messages remembered per call, to recognize retransmissions."""

COLUMNS = (0, 28, 55, 67)
"""The positions of the columns; the lines fit into 80 characters.

No message goes from API to agent, so those two are close: an arrow to the agent crosses the API's.
"""

PREFIX = 12
"""Characters ahead of a line: the call's number, the milliseconds."""

_NAMES = ("caller", "sip-stager", "API", "agent")
_GAPS = tuple(right - left for left, right in pairwise(COLUMNS))
_WITHOUT_UNICODE = str.maketrans("─│▶◀", "-|><")


@dataclass(slots=True)
class _CallLadder:
    """The state of one call's ladder; ``began`` is in seconds."""

    ordinal: int
    began: float
    caller_tag: bytes
    seen: set[tuple[Column, Column, int]] = field(default_factory=set)

    def seen_before(self, way: Step, message: bytes) -> bool:
        """Return whether the same bytes went the same way before, as retransmissions do."""
        key = (way.source, way.target, hash(message))
        if key in self.seen:
            return True
        if len(self.seen) < MAX_MESSAGES:
            self.seen.add(key)
        return False


class Ladder:
    """Prints a line for each event that has one; ``handlers`` are its observer.

    Each line begins with the call's number and the milliseconds since its first message.
    ``shown`` masks phone numbers; ``str`` leaves them plain.
    """

    def __init__(
        self,
        console: Console,
        shown: Callable[[str], str] = mask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._shown = shown
        self._clock = clock
        self._calls: dict[str, _CallLadder] = {}
        self._begun = 0
        self.handlers: Handlers = handlers_of_all(self._draw_event)

    def heading(self) -> None:
        """Print the names of the columns."""
        self._print(Text(heading(), "bold"))

    def _draw_event(self, event: Event) -> None:
        """Print the line of an event that has one; an event of no call has no number."""
        key = call_key(event)
        call = (self._calls.get(key) or self._begin(key, event)) if key else None
        line = step(event, call.caller_tag if call else b"", self._shown)
        if line is None:
            return
        prefix = " " * PREFIX
        if call:
            line = _marked(line, event, call)
            elapsed = (self._clock() - call.began) * 1000
            prefix = f"#{call.ordinal:<3}{elapsed:7.1f} "
        for row in drawn(line, self._console.width - PREFIX):
            self._print(Text(prefix, "dim").append_text(row))
            prefix = " " * PREFIX

    def _begin(self, key: str, event: Event) -> _CallLadder:
        while len(self._calls) >= MAX_CALLS:
            del self._calls[next(iter(self._calls))]
        self._begun += 1
        tag = from_tag(event.message) if isinstance(event, MessageReceived | MessageSent) else b""
        call = self._calls[key] = _CallLadder(self._begun, self._clock(), tag)
        return call

    def _print(self, line: Text) -> None:
        print_line(self._console, line)


def print_line(console: Console, line: Text) -> None:
    """Print a line of a ladder, on a terminal of any encoding."""
    if console.options.ascii_only:
        line.plain = line.plain.translate(_WITHOUT_UNICODE)
    console.print(line, soft_wrap=True, highlight=False)


def heading() -> str:
    """Return the names of the columns."""
    *names, last = _NAMES
    line = "".join(name.ljust(gap) for name, gap in zip(names, _GAPS, strict=True))
    return f"{'ms':>{PREFIX - 1}} {line[: -len(last) + 1]}{last}"


def _marked(line: Step, event: Event, call: _CallLadder) -> Step:
    """Return the line, marked if its message went the same way before."""
    if not isinstance(event, MessageReceived | MessageSent):
        return line
    sent_again = isinstance(event, MessageSent) and event.retransmission
    repeated = call.seen_before(line, bytes(event.message)) or sent_again
    return line._replace(text=f"again: {line.text}", style="yellow") if repeated else line


def drawn(line: Step, width: int = 80 - PREFIX) -> list[Text]:
    """Return the rows of a step: an arrow with its text, or a remark beside its column.

    A long remark takes more than one row of ``width`` characters.
    """
    if line.source == line.target:
        return _remark(line, width)
    left, right = sorted((line.source, line.target))
    room = COLUMNS[right] - COLUMNS[left] - 1
    text = line.text if len(line.text) <= room - 4 else line.text[: room - 7] + "..."
    shaft = f" {text} ".center(room - 1, "─")
    arrow = f"{shaft}▶" if line.target == right else f"◀{shaft}"
    return [Text().append(_columns(0, left)).append(arrow, line.style).append(_columns(right, 3))]


def _columns(first: int, last: int) -> str:
    """Return the columns from first to last, with nothing between them."""
    spaces = (" " * (gap - 1) for gap in _GAPS[first:last])
    return "│" + "".join(f"{space}│" for space in spaces)


def _remark(line: Step, width: int) -> list[Text]:
    columns = _columns(0, line.source) + " "
    rows = wrap(line.text, max(width - len(columns), 30)) or [""]
    return [Text().append(columns).append(row, line.style) for row in rows]
