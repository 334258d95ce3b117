"""Hands each event to the handlers of its type."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, get_args

from sip_stager.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.ports import Handlers, Notify


class Dispatcher:
    """The one ``notify`` of a program: calls the handlers of an event in the order of ``add``.

    Every observer is a mapping of event types to handlers (``ports.Handlers``).  The handlers of a
    type are found once, when an observer is added: a call has dozens of events.
    """

    def __init__(self, observers: Iterable[Handlers] = ()) -> None:
        self._handlers: defaultdict[type[Event], list[Notify]] = defaultdict(list)
        for observer in observers:
            self.add(observer)

    def add(self, observer: Handlers) -> None:
        """Call the observer's handlers from now on, after those of the observers before it."""
        for event_type, handler in observer.items():
            self._handlers[event_type].append(handler)

    def hears(self, event_type: type[Event]) -> bool:
        """Return True if an observer has a handler for the type."""
        return bool(self._handlers.get(event_type))

    def dispatch(self, event: Event) -> None:
        """Call all handlers of the event's type."""
        for handler in self._handlers[type(event)]:
            handler(event)


def handlers_of_all(handler: Notify) -> Handlers:
    """Return a mapping of every event type to the same handler."""
    return dict.fromkeys(get_args(Event), handler)
