"""A call as a ladder: caller, proxy, API and agent side by side, each message as it comes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from sip_stager.events import MessageReceived, MessageSent
from sip_stager.observability.dispatcher import handlers_of_all
from sip_stager.observability.ladder_steps import call_key, from_tag, step
from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from sip_stager.events import Event
    from sip_stager.observability.ladder_columns import Column, Step
    from sip_stager.ports import Handlers

MOST_CALLS = 1000
"""Calls remembered; the oldest is forgotten, and begins anew if it goes on."""

MOST_MESSAGES = 100
"""Messages remembered of a call, to know those that come again."""

COLUMNS = (0, 28, 55, 67)
"""Where each column stands; the lines fit into 80 characters.

Nobody speaks from API to agent, so those two stand close: what goes to the agent passes below.
"""

_PREFIX = 12  # characters: the call's number, the milliseconds

_NAMES = ("caller", "sip-stager", "API", "agent")
_GAPS = tuple(right - left for left, right in pairwise(COLUMNS))
_WITHOUT_UNICODE = str.maketrans("─│▶◀", "-|><")


@dataclass(slots=True)
class _Course:
    """What has been seen of a call; ``began`` is in seconds."""

    ordinal: int
    began: float
    caller_tag: bytes
    seen: set[tuple[Column, Column, int]] = field(default_factory=set)

    def again(self, way: Step, message: bytes) -> bool:
        """Tell whether the same bytes went the same way before; retransmissions do."""
        key = (way.source, way.target, hash(message))
        if key in self.seen:
            return True
        if len(self.seen) < MOST_MESSAGES:
            self.seen.add(key)
        return False


class Ladder:
    """Prints a line for each event that has a place on its call's ladder.

    Each line begins with the call's number and the milliseconds since its first message.
    ``shown`` masks telephone numbers; ``str`` leaves them plain.
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
        self._courses: dict[str, _Course] = {}
        self._begun = 0
        self.handlers: Handlers = handlers_of_all(self._draw_event)

    def heading(self) -> None:
        """Print the names of the columns."""
        *names, last = _NAMES
        line = "".join(name.ljust(gap) for name, gap in zip(names, _GAPS, strict=True))
        line = f"{'ms':>{_PREFIX - 1}} {line[: -len(last) + 1]}{last}"
        self._print(Text(line, "bold"))

    def _draw_event(self, event: Event) -> None:
        """Print the line of an event that has one; an event of no call has no number."""
        key = call_key(event)
        course = (self._courses.get(key) or self._begin(key, event)) if key else None
        line = step(event, course.caller_tag if course else b"", self._shown)
        if line is None:
            return
        prefix = " " * _PREFIX
        if course:
            line = _marked(line, event, course)
            elapsed = (self._clock() - course.began) * 1000
            prefix = f"#{course.ordinal:<3}{elapsed:7.1f} "
        for row in drawn(line, self._console.width - _PREFIX):
            self._print(Text(prefix, "dim").append_text(row))
            prefix = " " * _PREFIX

    def _begin(self, key: str, event: Event) -> _Course:
        while len(self._courses) >= MOST_CALLS:
            del self._courses[next(iter(self._courses))]
        self._begun += 1
        tag = from_tag(event.message) if isinstance(event, MessageReceived | MessageSent) else b""
        course = self._courses[key] = _Course(self._begun, self._clock(), tag)
        return course

    def _print(self, line: Text) -> None:
        if self._console.options.ascii_only:
            line.plain = line.plain.translate(_WITHOUT_UNICODE)
        self._console.print(line, soft_wrap=True, highlight=False)


def _marked(line: Step, event: Event, course: _Course) -> Step:
    """Mark a message that went the same way before."""
    if not isinstance(event, MessageReceived | MessageSent):
        return line
    again = course.again(line, bytes(event.message)) or getattr(event, "retransmission", False)
    return line._replace(text=f"again: {line.text}", style="yellow") if again else line


def drawn(line: Step, width: int = 80 - _PREFIX) -> list[Text]:
    """Draw a step: the columns with an arrow and its text, or a remark beside its column.

    A long remark takes more than one line of ``width`` characters.
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
    """Draw the columns from first to last, with nothing between them."""
    spaces = (" " * (gap - 1) for gap in _GAPS[first:last])
    return "│" + "".join(f"{space}│" for space in spaces)


def _remark(line: Step, width: int) -> list[Text]:
    columns = _columns(0, line.source) + " "
    rows = wrap(line.text, max(width - len(columns), 30)) or [""]
    return [Text().append(columns).append(row, line.style) for row in rows]
