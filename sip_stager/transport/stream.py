"""One TCP connection (RFC 3261 18.3, RFC 5626 5.4).

Bytes are cut into messages by ``sip.framing.Framer``, and messages are taken in batches, as the
turns of all connections allow (``turns.py``).  Backpressure is the state: in WAITING and HELD
nothing is read from the socket, so that the kernel's window closes and the peer has to wait.

    CONNECTING
        | connection_made
        v        a batch is full, or others have their turn        the peer reads no answers
     READING -------------------------------------> WAITING ------------------------> HELD
        ^                                            |   ^                             |
        '---- its turn came: all messages taken -----'   '----- it reads again --------'

    any of them -- close(), a malformed message, a timeout, give_way() --> ENDING
    any of them -- connection_lost --> CLOSED

Two timers run beside the state: the peer's time for a whole message, and the time without traffic.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol, cast

from sip_stager.model.vocabulary import DropCause
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.framing import PING, PONG, Framer
from sip_stager.transport.turns import MIN_MESSAGE_COST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from socket import socket

    from sip_stager.config import Limits
    from sip_stager.model.flow import Flow
    from sip_stager.transport.turns import Turns
    from sip_stager.transport.types import Receive

MAX_UNSENT = 1024 * 1024  # bytes; a peer that leaves more unread is cut
MAX_BATCH = 16  # messages in one turn of the loop; a peer can put thousands into a segment
MAX_BATCH_BYTES = 65536  # read at once, taken in one turn, or waiting to be sent
LINGER = 2.0  # seconds for a peer to read the last answer before its connection is cut

# The buffer that all connections read into: each takes its bytes out before the next one reads.
_READ_BUFFER = bytearray(MAX_BATCH_BYTES)


class StreamState(Enum):
    """The state of a connection; the diagram above shows how it changes."""

    CONNECTING = auto()
    READING = auto()  # open; what arrives is taken at once.  It goes straight to HELD, too
    WAITING = auto()  # open; messages wait for their turn
    HELD = auto()  # open; messages wait until the peer reads our answers
    ENDING = auto()  # nothing is taken or sent; what was written still goes out, within `LINGER`
    CLOSED = auto()


class Owner(Protocol):
    """The keeper of the connections."""

    def opened(self, connection: TcpConnection) -> None:
        """Keep a connection that can be used now."""

    def closed(self, connection: TcpConnection, why: str) -> None:
        """Forget a connection that is over; ``why`` is empty if we closed it."""

    def broken(self, flow: Flow, cause: DropCause, why: str) -> None:
        """Report a connection that is cut: malformed, too slow, or one too many."""


class TcpConnection(asyncio.BufferedProtocol):
    """A connection that hands each message to ``receive``, with the flow to answer on.

    ``accepted`` is true if the peer opened it.  Such a peer has to send a whole message in time,
    and to read its answers: until it does, nothing more is read from it.
    """

    def __init__(
        self,
        flow: Flow,
        receive: Receive,
        owner: Owner,
        limits: Limits,
        turns: Turns,
        *,
        accepted: bool = False,
    ) -> None:
        self.flow = flow
        self.accepted = accepted
        self.reused = False  # accepted, and yet requests of ours were sent on it
        self._receive = receive
        self._owner = owner
        self._limits = limits
        self._turns = turns
        self._loop = asyncio.get_running_loop()
        self.since = self.used = self._loop.time()
        self.state = StreamState.CONNECTING
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._message_timer: asyncio.TimerHandle | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._write_paused = False
        self._held: Iterator[bytes] = iter(())
        self._why = ""

    @property
    def tcp_socket(self) -> socket:
        """The socket of an open connection."""
        assert self._transport  # noqa: S101  the caller has heard that it is open
        found: socket = self._transport.get_extra_info("socket")
        return found

    @property
    def is_open(self) -> bool:
        """True from the moment it is open until it is closed, while it ends too."""
        return self._transport is not None

    def send_message(self, data: bytes) -> bool:
        """Send a message; return False if the connection is not open, or closing."""
        transport = self._transport
        # asyncio closes a transport by itself at an error or EOF, and says so only later.
        if transport is None or self.state is StreamState.ENDING or transport.is_closing():
            return False
        self.used = self._loop.time()
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNSENT:
            self._cut("the peer does not read")
        return True

    def send_keepalive(self) -> None:
        """Send a ping (RFC 5626 3.5.1), which does not count as use: idle connections close."""
        used = self.used
        self.send_message(PING)
        self.used = used

    def close(self) -> None:
        """Close it; bytes that were written still go out, if the peer reads them soon."""
        self._enter(StreamState.ENDING)
        if self._transport is not None:
            self._loop.call_later(LINGER, self._transport.abort)
            self._transport.close()

    def give_way(self) -> None:
        """Cut it: there are too many, and a newcomer goes ahead of it."""
        self._cut("it gave way to a newer one", DropCause.TOO_MANY_CONNECTIONS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start reading."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        if (
            self.state is StreamState.CONNECTING
        ):  # it may have been closed while it was being opened
            self._enter(StreamState.READING)
        if self.accepted:
            peer = transport.get_extra_info("peername") or ("", 0)  # None if it is gone already
            self.flow = self.flow._replace(host=peer[0], port=peer[1])
            self._start_message_timer()
        self._idle_timer = self._loop.call_later(self._limits.idle_timeout, self._close_if_idle)
        self._owner.opened(self)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002  asyncio's signature
        """Return the buffer to read into; asyncio's own would be four times as large."""
        return _READ_BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Take the messages of the bytes that were read, now or when it is our turn."""
        if self.accepted or nbytes > len(PONG):  # the answer to our keepalive is no use of it
            self.used = self._loop.time()
        if self.state is StreamState.ENDING:  # the bytes are read to be dropped: see `_end`
            return
        messages = self._framer.feed(bytes(memoryview(_READ_BUFFER)[:nbytes]))
        if self._turns.free:
            self._take_batch(messages)
        else:
            self._wait_for_turn(messages)

    def pause_writing(self) -> None:
        """Remember that the peer does not read; the next batch then goes to HELD.

        A connection that we opened is read on.  If both sides of one did not read until the other
        did, they would wait for ever.
        """
        self._write_paused = self.accepted

    def resume_writing(self) -> None:
        """Go on with the messages of a peer that reads again."""
        self._write_paused = False
        if self.state is StreamState.HELD:
            held, self._held = self._held, iter(())
            self._wait_for_turn(held)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers and report the end to the owner."""
        ended_by_us = self.state is StreamState.ENDING
        why = self._why if ended_by_us else str(exc or "the peer closed the connection")
        self._enter(StreamState.CLOSED)
        self._transport = None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._owner.closed(self, why)

    def _enter(self, state: StreamState) -> None:
        """Change the state; reading pauses and resumes with it, and its timer dies with it."""
        before, self.state = self.state, state
        if state in {StreamState.ENDING, StreamState.CLOSED}:
            self._stop_message_timer()
        elif self._transport is not None and before is not StreamState.CONNECTING:
            if state is StreamState.READING:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _wait_for_turn(self, messages: Iterator[bytes]) -> None:
        self._enter(StreamState.WAITING)
        self._turns.wait(self.flow.host, partial(self._take_batch, messages))

    def _take_batch(self, messages: Iterator[bytes]) -> None:
        """Hand out messages until the batch is full; the rest waits for another turn."""
        transport = self._transport
        # The connection may have ended while it waited for its turn.
        if transport is None or self.state is StreamState.ENDING or transport.is_closing():
            return
        if self._write_paused:
            self._held = messages
            self._enter(StreamState.HELD)
            return
        try:
            full = self._hand_out(messages, transport)
        except Malformed as fault:
            self._end(str(fault))
            return
        if transport.is_closing():  # `receive` cut it or closed it
            return
        if full:
            self._wait_for_turn(messages)
        else:
            self._finish_batch()

    def _hand_out(self, messages: Iterator[bytes], transport: asyncio.Transport) -> bool:
        """Call ``receive`` for each message of a batch; return whether the batch is full."""
        size = 0
        full = False
        for number, message in enumerate(islice(messages, MAX_BATCH), 1):
            size += max(len(message), MIN_MESSAGE_COST)
            self._stop_message_timer()
            self._receive(message, self.flow)
            # Answers that wait to be sent go ahead of more of the peer's messages.
            unsent = transport.get_write_buffer_size()
            full = number == MAX_BATCH or max(size, unsent) > MAX_BATCH_BYTES
            if full:
                break
        self._turns.spend(size + self._framer.skipped)
        self._framer.skipped = 0
        return full

    def _finish_batch(self) -> None:
        """Read on, answer keepalives, and time the rest of a message that has begun."""
        self._enter(StreamState.READING)
        if self._framer.pings:
            self.send_message(PONG * self._framer.pings)
            self._framer.pings = 0
        if self._framer.mid_message and self._message_timer is None:
            self._start_message_timer()

    def _start_message_timer(self) -> None:
        wait, why = self._limits.message_timeout, "no whole message in time"
        self._message_timer = self._loop.call_later(wait, self._cut, why)

    def _stop_message_timer(self) -> None:
        if self._message_timer is not None:
            self._message_timer.cancel()
            self._message_timer = None

    def _close_if_idle(self) -> None:
        # One timer that looks at the time of use, rather than a new one for each message.
        left = self.used + self._limits.idle_timeout - self._loop.time()
        if left > 0:
            self._idle_timer = self._loop.call_later(left, self._close_if_idle)
        else:
            self.close()

    def _end(self, why: str) -> None:
        """End a stream that lost its meaning; answers to earlier messages still arrive.

        It is half-closed, and what the peer sends is read and dropped: to close a socket with
        bytes unread resets the connection, and takes the last answer from the peer.
        """
        self._owner.broken(self.flow, DropCause.MALFORMED, why)
        self._why = why
        if self._transport is not None and self.state is not StreamState.ENDING:
            self._loop.call_later(LINGER, self._transport.abort)
            self._transport.resume_reading()
            self._transport.write_eof()
        self._enter(StreamState.ENDING)

    def _cut(self, why: str, cause: DropCause = DropCause.TOO_SLOW) -> None:
        """Reset the connection: what the peer has not read is lost."""
        self._owner.broken(self.flow, cause, why)
        self._why = why
        self._enter(StreamState.ENDING)
        if self._transport is not None:
            self._transport.abort()
