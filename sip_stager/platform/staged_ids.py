"""The ids of staged calls that the API has sent, so that no response is taken for another call's.

A server that once sends one response too many shifts all that follow on that connection: each call
would get the id of the call before, and reach its agent.  HTTP/1.1 has nothing that tells responses
apart, but the first of them repeats an id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sip_stager.model.call import Call

LIFETIME = 60.0
"""Seconds in which a staged call can be claimed, so that no other can have its id."""


class StagedIds:
    """The ids of the last ``LIFETIME`` seconds or up to twice as long, each with its call.

    Two generations take turns, so that no entry needs a time of its own.
    """

    def __init__(self) -> None:
        self._new: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

    def take(self, staged_id: str, call: Call, now: float) -> bool:
        """Return True if an id is the call's: nobody else got it within its life.

        An API that recognizes the repeated request of a call may send the same id again.
        """
        if now - self._since >= 2 * LIFETIME:
            self._old, self._new, self._since = {}, {}, now
        elif now - self._since >= LIFETIME:
            self._old, self._new = self._new, {}
            self._since += LIFETIME
        # A hash, because Call-IDs are long and there may be thousands.
        owner = hash((call.call_id, call.agent_id))
        known = self._old.get(staged_id)
        return (self._new.setdefault(staged_id, owner) if known is None else known) == owner


def is_record_of(record: dict[str, Any], staged_id: str, call: Call | None) -> bool:
    """Return True if a call's record is of the id, and of the agent and number of the call.

    Only what the record has is compared: the API need not send everything.
    """
    wanted = {"id": staged_id}
    if call is not None:
        wanted |= {"agent_id": call.agent_id, "to_number": call.to_number}
    return all(
        _alike(record[key], value)
        for key, value in wanted.items()
        if isinstance(record.get(key), str)
    )


def _alike(one: str, other: str) -> bool:
    """Return True if two ids or numbers are the same, whatever their case and plus sign."""
    return one.removeprefix("+").lower() == other.removeprefix("+").lower()
