"""The callbacks and ports between the sockets of this room and their owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sip_stager.model.flow import Flow

Receive = Callable[[bytes, Flow], None]
"""Called with one message and the flow to answer on."""
Lost = Callable[[Flow, str], None]
"""Called with an address that cannot be reached, and the reason in words."""


class LocalAddresses(Protocol):
    """The addresses of this machine that wildcard listeners are used at, each with an index."""

    def at(self, listener: int, address: str) -> int:
        """Return the index for flows of a listener at an address; the listener's own at a limit."""

    def place(self, index: int) -> tuple[int, str]:
        """Return the listener with an index, and the address; empty for the listener itself."""


class Peers(Protocol):
    """The addresses that are served ahead of strangers."""

    def is_configured(self, host: str) -> bool:
        """Return True for an address in the settings: of a trunk's networks, or an upstream's."""

    def is_peer(self, host: str) -> bool:
        """Return True for such an address, or one that an upstream's name has now."""


class Anybody:
    """``Peers`` without strangers."""

    def is_configured(self, host: str) -> bool:  # noqa: ARG002  (the protocol's signature)
        """Return True."""
        return True

    def is_peer(self, host: str) -> bool:  # noqa: ARG002  (the protocol's signature)
        """Return True."""
        return True


class Screen(Protocol):
    """A screen in front of ``Receive``, which settles some messages itself while it is active."""

    @property
    def active(self) -> bool:
        """True while it must see each message."""

    def observe_age(self, interface: int, seconds: float) -> None:
        """Take the age of the oldest datagram in a listener's socket, as it is read."""

    def screen(self, data: bytes, source: Flow, age: float) -> bool:
        """Return True if a message was settled; ``age`` is its time in the socket in seconds."""
