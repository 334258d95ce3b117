"""A lost datagram costs one retransmission: RFC 3261 17 over UDP, whatever is lost."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.support.peers import Callee, Caller, LossyNetwork

FIRST = 20
"""Datagrams; up to three of them are lost. A call without loss has thirteen."""


def call(lost: tuple[int, ...]) -> tuple[LossyNetwork, Caller, Callee]:
    network = LossyNetwork(lost)
    caller, callee = Caller(network), Callee(network)
    caller.call()
    network.clock.advance(60)
    return network, caller, callee


def test_a_call_without_loss_has_thirteen_datagrams() -> None:
    network, caller, callee = call(())
    assert network.carried == 13
    assert caller.ended
    assert callee.ended


@pytest.mark.parametrize("many", [1, 2, 3])
def test_every_call_completes_whatever_datagrams_are_lost(many: int) -> None:
    """RFC 3261 17: a whole call completes whichever three of its datagrams are lost."""
    for lost in combinations(range(FIRST), many):
        network, caller, callee = call(lost)
        edge = network.edge
        assert caller.answered, lost
        assert callee.acknowledged, lost
        assert caller.ended, lost
        assert callee.ended, lost
        assert len(edge.stager.stagings) == 1, lost
        assert len(callee.invites) == 1, lost
        assert callee.call_ids == {b"call-1"}, lost
        network.clock.advance(250)
        assert edge.alive == 0, lost
        assert network.clock.waiting == 0, lost
