"""Calls that wait for something, in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_AT_ONCE = 16  # in a turn of the loop; each has an answer to write, which takes half a millisecond

_Waiting = OrderedDict[asyncio.Future[bool], None]


class Line:
    """Who is called has its turn; who is sent away has none."""

    def __init__(self) -> None:
        self._waiting: _Waiting = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    async def wait(self, missed: Callable[[], object] | None = None) -> bool:
        """Wait for one's turn; False where one is sent away.

        ``missed`` is called where the turn came just as who waits hung up.
        """
        waiting = self._waiting
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        waiting[turn] = None
        try:
            return await turn
        except asyncio.CancelledError:
            if missed and not turn.cancelled() and turn.result():
                missed()
            raise
        finally:
            waiting.pop(turn, None)

    def call(self) -> bool:
        """Call the first; tell whether there was one."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(True)
                return True
        return False

    def send_away(self) -> None:
        """Send all away, a few at a time: thousands at once would hold up the loop."""
        leaving, self._waiting = self._waiting, OrderedDict()
        _send_away(leaving)


def _send_away(leaving: _Waiting) -> None:
    for _ in range(min(_AT_ONCE, len(leaving))):
        turn, _ = leaving.popitem(last=False)
        if not turn.done():
            turn.set_result(False)
    if leaving:
        asyncio.get_running_loop().call_soon(_send_away, leaving)
