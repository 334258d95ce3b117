"""Each event goes to the handlers of its type."""

from __future__ import annotations

from typing import get_args

from sip_stager.events import (
    BreakerMoved,
    CallAcknowledged,
    CallEnded,
    CallHungUp,
    Event,
    InviteForwarded,
    MessageReceived,
    MessageSent,
)
from sip_stager.observability.dispatcher import Dispatcher, handlers_of_all
from sip_stager.observability.metrics import Metrics
from tests.observability.sample_events import EVERYTHING, GAUGE_SOURCES


def test_an_observer_sees_only_the_event_types_that_it_has_handlers_for() -> None:
    every: list[Event] = []
    some: list[Event] = []
    dispatcher = Dispatcher(
        [handlers_of_all(every.append), {CallEnded: some.append, BreakerMoved: some.append}]
    )
    for event in EVERYTHING:
        dispatcher.dispatch(event)
    assert every == list(EVERYTHING)
    assert {type(event) for event in some} == {CallEnded, BreakerMoved}


def test_observers_are_called_in_the_order_in_which_they_were_added() -> None:
    order: list[str] = []
    dispatcher = Dispatcher([handlers_of_all(lambda _: order.append("first"))])
    event = next(one for one in EVERYTHING if isinstance(one, InviteForwarded))
    dispatcher.dispatch(event)
    dispatcher.add(handlers_of_all(lambda _: order.append("second")))
    dispatcher.dispatch(event)
    assert order == ["first", "first", "second"]


def test_an_event_without_a_handler_is_ignored() -> None:
    dispatcher = Dispatcher([{CallEnded: lambda _: None}])
    for event in EVERYTHING:
        dispatcher.dispatch(event)
        assert dispatcher.hears(type(event)) == isinstance(event, CallEnded)


def test_the_metrics_have_a_handler_for_every_event_type() -> None:
    # Counted by a port of their own; an ACK and a BYE are among them.
    messages = {MessageReceived, MessageSent, CallAcknowledged, CallHungUp}
    assert Metrics(GAUGE_SOURCES).handlers.keys() == set(get_args(Event)) - messages
