"""A call as a ladder: caller, proxy, API and agent side by side, each message as it comes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.text import Text

from sip_stager.events import MessageReceived, MessageSent
from sip_stager.observability.steps import Column, Step, call_key, from_tag, step
from sip_stager.trunks.numbers import mask

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from sip_stager.events import Event

MOST_CALLS = 1000
"""Calls remembered; the oldest is forgotten, and begins anew if it goes on."""

MOST_MESSAGES = 100
"""Messages remembered of a call, to know those that come again."""

GAP = 28
"""Characters from column to column: an INVITE with an E.164 number fits, and a line into 100."""

_NAMES = ("caller", "sip-stager", "API", "agent")
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

    def heading(self) -> None:
        """Print the names of the columns."""
        names = "".join(name.ljust(GAP) for name in _NAMES).rstrip()
        self._print(Text(f"{'ms':>13}  {names}", "bold"))

    def __call__(self, event: Event) -> None:
        """Print the line of one event, if it has one."""
        key = call_key(event)
        if not key:
            return
        course = self._courses.get(key) or self._begin(key, event)
        line = step(event, course.caller_tag, self._shown)
        if line is None:
            return
        if isinstance(event, MessageReceived | MessageSent):
            again = course.again(line, bytes(event.message)) or getattr(event, "repeated", False)
            if again:
                line = line._replace(text=f"again: {line.text}", style="yellow")
        elapsed = (self._clock() - course.began) * 1000
        prefix = f"#{course.ordinal:<3}{elapsed:9.1f}  "
        self._print(Text(prefix, "dim").append_text(drawn(line)))

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


def drawn(line: Step) -> Text:
    """Draw one line: the columns, and an arrow with its text, or a remark beside its column."""
    if line.source == line.target:
        return _remark(line)
    left, right = sorted((line.source, line.target))
    width = (right - left) * GAP - 1
    text = line.text if len(line.text) <= width - 4 else line.text[: width - 7] + "..."
    shaft = f" {text} ".center(width - 1, "─")
    arrow = f"{shaft}▶" if line.target == right else f"◀{shaft}"
    return Text().append(_columns(0, left)).append(arrow, line.style).append(_columns(right, 3))


def _columns(first: int, last: int) -> str:
    """Draw the columns from first to last, with nothing between them."""
    return (" " * (GAP - 1)).join("│" * (last - first + 1))


def _remark(line: Step) -> Text:
    return Text().append(f"{_columns(0, line.source)} ").append(line.text, line.style)
