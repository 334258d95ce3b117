"""The process that this one takes over from."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from sip_stager.model.flow import Flow
from sip_stager.transport.predecessor import Predecessor
from sip_stager.transport.takeover_link import PING, READY, unpack_message
from tests.support.messages import request, response

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

INVITE = bytes(request())
OK = bytes(response(request(), 200))
UDP = Flow("UDP", "192.0.2.1", 5060)
TCP = Flow("TCP", "192.0.2.1", 5060, 0, 7)


def confirmed(is_own: bool = False) -> tuple[Predecessor, socket.socket]:  # noqa: FBT001
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setblocking(False)
    predecessor = Predecessor(asyncio.get_running_loop(), mine)
    predecessor.attach(None, lambda *_: None, lambda _: is_own, None)
    predecessor.confirm()
    assert theirs.recv(100) == READY
    assert theirs.recv(100) == PING
    return predecessor, theirs


def messages(theirs: socket.socket) -> Iterator[bytes]:
    """Yield the messages that were passed on."""
    theirs.setblocking(False)
    while True:
        try:
            packet = theirs.recv(70_000)
        except BlockingIOError:
            return
        if packet != PING:
            yield unpack_message(packet)[0]


async def test_only_messages_of_no_transaction_of_ours_go_to_the_predecessor() -> None:
    for is_own in (False, True):
        predecessor, theirs = confirmed(is_own)
        assert predecessor.screen(INVITE, UDP, 0.0) is not is_own
        assert list(messages(theirs)) == ([] if is_own else [INVITE])
        predecessor.close()
        theirs.close()


async def test_over_tcp_only_what_needs_no_answer_goes_to_the_predecessor() -> None:
    predecessor, theirs = confirmed()
    assert not predecessor.screen(INVITE, TCP, 0.0)
    assert predecessor.screen(OK, TCP, 0.0)
    assert list(messages(theirs)) == [OK]
    predecessor.close()
    theirs.close()


async def test_nothing_waits_for_a_predecessor_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sip_stager.transport.predecessor.STUCK_TIMEOUT", 0.05)
    predecessor, theirs = confirmed()
    await asyncio.sleep(0.1)
    assert not predecessor.screen(INVITE, UDP, 0.0)
    theirs.send(PING)
    async with asyncio.timeout(20):
        while not predecessor.screen(INVITE, UDP, 0.0):  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.001)
    predecessor.close()
    theirs.close()
