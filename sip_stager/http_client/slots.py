"""Who may use a connection next: so many places, and lines of those who wait for one."""

from __future__ import annotations

from enum import IntEnum

from sip_stager.http_client.waiters import Line


class Rank(IntEnum):
    """Which request goes first where all connections are in use; the lesser does.

    A call that is about to be ready does not wait behind new ones: past what the API bears, the
    new would else make all of them late.  What no call waits for comes last.
    """

    POLL = 0
    STAGE = 1
    ASIDE = 2


class Places:
    """``most`` places; who finds none free waits, by rank, then first come, first served."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._free = most
        self._lines = tuple(Line() for _ in Rank)

    @property
    def taken(self) -> int:
        """How many places are in use."""
        return self.most - self._free

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return sum(map(len, self._lines))

    def take(self) -> bool:
        """Take a place, if one is free."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def wait(self, rank: Rank) -> bool:
        """Wait for a place; False where who waits is sent away."""
        return await self._lines[rank].wait(missed=self.leave)

    def leave(self) -> None:
        """Give a place to whose turn it is."""
        if not any(line.call() for line in self._lines):
            self._free += 1

    def send_away(self, rank: Rank) -> None:
        """Let those of a rank wait no longer."""
        self._lines[rank].send_away()
