"""Hands each event to the handlers of its type."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from sip_stager.events import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.ports import Handlers, Notify


class Dispatcher:
    """The one ``notify`` of a program: calls the handlers of an event in the order of ``add``.

    Every observer is a mapping of event types to handlers (``ports.Handlers``).  The handlers of a
    type are joined to one function when an observer is added, so an event takes one look-up.
    """

    def __init__(self, observers: Iterable[Handlers] = ()) -> None:
        self._handlers = dict(handlers_of_all(_ignore))
        for observer in observers:
            self.add(observer)

    def add(self, observer: Handlers) -> None:
        """Call the observer's handlers from now on, after those of the observers before it."""
        for event_type, handler in observer.items():
            before = self._handlers[event_type]
            joined = handler if before is _ignore else _in_order(before, handler)
            self._handlers[event_type] = joined

    def hears(self, event_type: type[Event]) -> bool:
        """Return True if an observer has a handler for the type."""
        return self._handlers[event_type] is not _ignore

    def dispatch(self, event: Event) -> None:
        """Call all handlers of the event's type."""
        self._handlers[type(event)](event)


def handlers_of_all(handler: Notify) -> Handlers:
    """Return a mapping of every event type to the same handler."""
    return dict.fromkeys(get_args(Event), handler)


def _ignore(_: Event) -> None:
    """Do nothing: no observer has a handler for the event's type."""


def _in_order(first: Notify, second: Notify) -> Notify:
    def call_both(event: Event) -> None:
        first(event)
        second(event)

    return call_both
