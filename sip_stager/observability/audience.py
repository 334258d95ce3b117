"""Who is told of an event: found once for each kind, for a call has dozens of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.events import Event
    from sip_stager.ports import Handlers, Notify


class Audience:
    """All observers, each told of an event in its turn.

    One that has ``handlers`` (``ports.Handlers``) is told by them, and only of their kinds.
    """

    def __init__(self, observers: Iterable[Notify]) -> None:
        self._observers = list(observers)
        self._told: dict[type[Event], list[Notify]] = {}

    def add(self, observer: Notify) -> None:
        """Take one more."""
        self._observers.append(observer)
        self._told.clear()

    def tell(self, event: Event) -> None:
        """Tell all whom an event concerns."""
        told = self._told.get(type(event))
        if told is None:
            told = self._told[type(event)] = self._concerned(type(event))
        for take in told:
            take(event)

    def _concerned(self, kind: type[Event]) -> list[Notify]:
        found = (_handler(observer, kind) for observer in self._observers)
        return [take for take in found if take is not None]


def _handler(observer: Notify, kind: type[Event]) -> Notify | None:
    handlers: Handlers | None = getattr(observer, "handlers", None)
    return observer if handlers is None else handlers.get(kind)
