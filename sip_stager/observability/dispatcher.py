"""Who is told of an event: found once for each kind, for a call has dozens of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.events import Event
    from sip_stager.ports import Handlers, Notify


class Audience(dict[type["Event"], list["Notify"]]):
    """All observers, each told of an event in its turn; who is told of each kind, once one came.

    One that has ``handlers`` (``ports.Handlers``) is told by them, and only of their kinds.
    """

    def __init__(self, observers: Iterable[Notify]) -> None:
        super().__init__()
        self._observers = list(observers)

    def add(self, observer: Notify) -> None:
        """Take one more."""
        self._observers.append(observer)
        self.clear()

    def tell(self, event: Event) -> None:
        """Tell all whom an event concerns."""
        for take in self[type(event)]:
            take(event)

    def __missing__(self, kind: type[Event]) -> list[Notify]:
        found = (_handler(observer, kind) for observer in self._observers)
        told = self[kind] = [take for take in found if take is not None]
        return told


def _handler(observer: Notify, kind: type[Event]) -> Notify | None:
    handlers: Handlers | None = getattr(observer, "handlers", None)
    return observer if handlers is None else handlers.get(kind)
