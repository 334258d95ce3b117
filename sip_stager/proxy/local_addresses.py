"""The addresses of this machine that wildcard listeners are used at."""

from __future__ import annotations

from typing import Protocol

FIRST_INDEX = 1024
"""The index of the first address of a wildcard listener; listeners have those below."""
MAX_ADDRESSES = 512
"""Addresses that have an index; for others the kernel chooses the address to send from."""
MAX_GENERATIONS = 8
"""Interfaces of earlier settings that calls may still use."""


class Generation(Protocol):
    """The interfaces of one generation of the settings."""

    wildcards: list[int]
    """The indexes of listeners on a wildcard address."""

    def add_address(self, listener: int, address: str, index: int) -> None:
        """Add an address that a wildcard listener is used at."""


class LocalAddresses:
    """The indexes of wildcard listeners at the addresses of this machine that they are used at.

    They outlive the interfaces, which a reload of the settings makes anew: a call that began before
    keeps those that it began with.
    """

    def __init__(self) -> None:
        self._at: dict[tuple[int, str], int] = {}
        self._places: dict[int, tuple[int, str]] = {}
        self._generations: list[Generation] = []

    def attach(self, interfaces: Generation) -> None:
        """Add all addresses to the interfaces, and those that come later."""
        for (listener, address), index in self._at.items():
            interfaces.add_address(listener, address, index)
        self._generations = [*self._generations, interfaces][-MAX_GENERATIONS:]

    def at(self, listener: int, address: str) -> int:
        """Return the index of a listener at an address of this machine that it is used at."""
        index = self._at.get((listener, address))
        if index is not None:
            return index
        full = len(self._at) >= MAX_ADDRESSES
        if full or not self._generations or listener not in self._generations[-1].wildcards:
            return listener
        index = self._at[listener, address] = FIRST_INDEX + len(self._at)
        self._places[index] = listener, address
        for interfaces in self._generations:
            interfaces.add_address(listener, address, index)
        return index

    def place(self, index: int) -> tuple[int, str]:
        """Return the listener of an interface, and its address if the listener has several."""
        return self._places.get(index, (index, ""))
