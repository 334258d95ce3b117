"""The link between two processes that share sockets."""

from __future__ import annotations

import asyncio
import socket

from sip_stager.model.flow import Flow
from sip_stager.transport.takeover_link import (
    MAX_BACKLOG,
    MAX_PACKET,
    TakeoverLink,
    Wanted,
    is_same_user,
    pack_message,
    pack_wanted,
    unpack_message,
    unpack_wanted,
)

TIMEOUT = 20.0


class End:
    """One end of a link; keeps what arrives."""

    def __init__(self, connected: socket.socket) -> None:
        self.packets: asyncio.Queue[bytes] = asyncio.Queue()
        self.closed = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.link = TakeoverLink(loop, connected, self.packets.put_nowait, self.closed.set)


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


async def test_packets_that_the_other_end_does_not_read_yet_wait_and_keep_their_order() -> None:
    mine, theirs = pair()
    near = End(mine)
    count = 2000
    assert all(near.link.send(b"%d" % number + bytes(1000)) for number in range(count))
    far = End(theirs)
    async with asyncio.timeout(TIMEOUT):
        arrived = [await far.packets.get() for _ in range(count)]
    assert arrived == [b"%d" % number + bytes(1000) for number in range(count)]
    near.link.close()
    async with asyncio.timeout(TIMEOUT):
        await far.closed.wait()


async def test_what_waits_is_bounded() -> None:
    mine, theirs = pair()
    near = End(mine)
    packet = bytes(MAX_PACKET)
    sent = 0
    while near.link.send(packet):
        sent += 1
        assert sent <= 2 * MAX_BACKLOG / MAX_PACKET
    assert not near.link.send(packet + b"x")
    near.link.close()
    theirs.close()
    assert not near.link.send(b"x")


def test_what_is_packed_is_unpacked() -> None:
    wanted = [Wanted("UDP", "::1", 5060), Wanted("HTTP", "127.0.0.1", 9090)]
    assert unpack_wanted(pack_wanted(wanted)) == wanted
    assert unpack_wanted(b"X") is None
    assert unpack_wanted(b'H{"version": 0}') is None
    flow = Flow("UDP", "192.0.2.1", 5060, 3, 7)
    assert unpack_message(pack_message(b"a\nb\r\n", flow, None)) == (b"a\nb\r\n", flow, "")


def test_a_process_of_the_same_user_is_trusted() -> None:
    mine, theirs = pair()
    with mine, theirs:
        assert is_same_user(mine)
