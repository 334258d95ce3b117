"""Who is told of which event."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from sip_stager.events import BreakerMoved, CallEnded, Event, InviteForwarded
from sip_stager.observability.dispatcher import Audience
from sip_stager.observability.metrics import Metrics
from tests.observability.sample_events import EVERYTHING, READINGS

if TYPE_CHECKING:
    from sip_stager.ports import Handlers


class Choosy:
    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.handlers: Handlers = {CallEnded: self, BreakerMoved: self}

    def __call__(self, event: Event) -> None:
        self.heard.append(event)


def test_everybody_hears_everything_but_who_has_handlers() -> None:
    heard: list[Event] = []
    choosy = Choosy()
    audience = Audience([heard.append, choosy])
    for event in EVERYTHING:
        audience.tell(event)
    assert heard == list(EVERYTHING)
    assert {type(event) for event in choosy.heard} == {CallEnded, BreakerMoved}


def test_all_are_told_in_the_order_in_which_they_came() -> None:
    order: list[str] = []
    audience = Audience([lambda _: order.append("first")])
    event = next(one for one in EVERYTHING if isinstance(one, InviteForwarded))
    audience.tell(event)
    audience.add(lambda _: order.append("second"))
    audience.tell(event)
    assert order == ["first", "first", "second"]


def test_no_event_is_left_uncounted() -> None:
    assert Metrics(READINGS).handlers.keys() == set(get_args(Event))
