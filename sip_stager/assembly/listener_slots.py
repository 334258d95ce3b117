"""The listeners while the settings change: each keeps its index, which flows and dialogs refer to.

::

    added --- bound ---> OPEN --- removed ---> CLOSING --- drained ---> CLOSED
                          ^                       |                       |
                          +----- added again -----+-------- bound --------+

A listener that was removed goes on for as long as calls have at a stop, ``drain_timeout``: what it
carries ends there.  One with the same transport, address and port is the same listener,
whatever it advertises: its socket stays open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sip_stager.config import Listener
from sip_stager.transport.bind_errors import BindErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_stager.ports import Clock
    from sip_stager.transport.listeners import Sockets

_Key = tuple[str, str, int]


class Slots(NamedTuple):
    """All listeners by their index; those with an index in ``closed`` are in use no more."""

    listeners: tuple[Listener, ...]
    closed: frozenset[int] = frozenset()


class ListenerSlots:
    """Opens and closes the listeners as the settings change."""

    def __init__(self, sockets: Sockets, clock: Clock, listeners: Sequence[Listener]) -> None:
        self._sockets = sockets
        self._clock = clock
        self._open: set[int] = set()
        self.slots = Slots(tuple(listeners))

    async def open_first(self, bind_errors: BindErrors) -> None:
        """Bind the listeners that the program starts with."""
        for index, listener in enumerate(self.slots.listeners):
            await self._bind(index, listener, f"listeners[{index}]", bind_errors)

    async def open(self, wanted: Sequence[Listener]) -> Slots:
        """Bind those of the wanted listeners that are not open, and return their slots.

        Nothing is in force before ``use``.  If one cannot be bound, those that were bound are
        closed again, and ``OSError`` is raised.
        """
        slots, closed = [*self.slots.listeners], {*range(len(self.slots.listeners))}
        known = {_key(listener): index for index, listener in enumerate(slots)}
        bind_errors, bound = BindErrors(), []
        for position, listener in enumerate(wanted):
            index = known.get(_key(listener), len(slots))
            slots[index : index + 1] = [listener]
            closed.discard(index)
            if index not in self._open:
                bound.append(index)
                await self._bind(index, listener, f"listeners[{position}]", bind_errors)
        if bind_errors:
            for index in bound:
                self._close(index)
            bind_errors.raise_all()
        return Slots(tuple(slots), frozenset(closed))

    def use(self, slots: Slots, drain_timeout: float) -> None:
        """Put the slots in force; close those in use no more after ``drain_timeout`` seconds."""
        self.slots = slots
        if slots.closed & self._open:
            self._clock.call_later(drain_timeout, self._close_drained)

    async def _bind(
        self, index: int, listener: Listener, name: str, bind_errors: BindErrors
    ) -> None:
        transport, address = listener.transport, (listener.address, listener.port)
        with bind_errors.gather(f"{name} ({transport})", listener):
            await self._sockets.listen(transport.upper(), address, index)
            self._open.add(index)

    def _close_drained(self) -> None:
        for index in self.slots.closed & self._open:
            self._close(index)

    def _close(self, index: int) -> None:
        self._open.discard(index)
        self._sockets.close_listener(index)


def _key(listener: Listener) -> _Key:
    return listener.transport, listener.address, listener.port
