"""What belongs to calls that are the same to the agent."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from sip_stager.model.call import Call

T = TypeVar("T")


class CallQueue(Generic[T]):
    """Holds things for such calls as they are for; of those for the same, the first in goes first.

    Nothing that it does takes longer the more there is.
    """

    def __init__(self) -> None:
        self._lines: dict[Hashable, OrderedDict[T, None]] = {}

    def add(self, call: Call, thing: T) -> None:
        """Hold a thing."""
        self._lines.setdefault(_key(call), OrderedDict())[thing] = None

    def first(self, call: Call) -> T | None:
        """Give the thing whose turn it is for such a call."""
        line = self._lines.get(_key(call))
        return next(iter(line)) if line else None

    def discard(self, call: Call, thing: T) -> None:
        """Let a thing go that may be held for such a call."""
        key = _key(call)
        if line := self._lines.get(key):
            line.pop(thing, None)
            if not line:
                del self._lines[key]

    def __bool__(self) -> bool:
        return bool(self._lines)


def _key(call: Call) -> Hashable:
    """Give what makes two calls one to the agent, by a mapping that did not change meanwhile."""
    variables = tuple(sorted(call.variables.items()))
    called = call.to_number, call.agent_id, call.generation
    return call.trunk, call.from_number, *called, variables
