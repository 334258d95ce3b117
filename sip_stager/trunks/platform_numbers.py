"""The platform's list of numbers, as rows of the mapping.

The list comes page by page, and is added in small parts: a large one in one go would hold up the
calls of that moment.  The items are untrusted: an unusable one is counted and skipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.trunks.mapping import ANY, Row, Share, is_plain
from sip_stager.trunks.phone_numbers import is_e164, is_unambiguous, mask_untrusted, to_e164

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_PROBLEMS = 5
"""Unusable items whose problem is kept; the others are only counted."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PlatformNumbers:
    """One list of the platform's numbers; an item that did not change keeps the row it had before.

    ``rows`` has the numbers with an agent and the redirected ones.  Numbers of one agent that
    changed together share a row: 100,000 rows would take the garbage collector 50 ms.  ``agents``
    has the ids of the agents.  ``problems`` describes some of the ``unusable`` items, masked.
    """

    def __init__(self, before: PlatformNumbers | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self.agents: dict[str, tuple[Share, ...]] = {}
        self.redirected = self.without_agent = self.unusable = 0
        self.problems: list[str] = []
        self.generation: int = before.generation + 1 if before else 1
        self._before: PlatformNumbers | None = before
        self._same = 0
        self._new: dict[tuple[Share, ...], Row] = {}

    @property
    def counts(self) -> dict[str, int]:
        """The count of numbers whose calls are ``staged``, and of the others by reason."""
        return {
            "staged": len(self.rows) - self.redirected,
            "redirected": self.redirected,
            "without_agent": self.without_agent,
            "unusable": self.unusable,
        }

    def add(self, items: Collection[object]) -> None:
        """Add some of the API's items."""
        for item in items:
            try:
                self._add(item if isinstance(item, dict) else {})
            except (TypeError, ValueError) as problem:
                self._blame(item, problem)

    def finish(self) -> bool:
        """Release the list before this one; return True if any row differs from it."""
        before, self._before = self._before, None
        return before is None or not self._same == len(self.rows) == len(before.rows)

    def _add(self, item: dict[str, object]) -> None:
        number = _number(item)
        redirect, agent = item.get("redirect"), item.get("inbound_agent_id")
        if redirect is not None and not isinstance(redirect, bool):
            raise TypeError("has a redirect that is neither true nor false")
        if redirect:
            self.redirected += self._enter(number, ())
        elif agent is None:
            self.without_agent += 1
        else:
            self._enter(number, self._shares(agent))

    def _enter(self, number: str, shares: tuple[Share, ...]) -> bool:
        """Add the row of a number; return False if the number has been added before."""
        if (twin := self.rows.get(number)) is not None:
            if twin.shares != shares:
                raise ValueError("is listed twice, with different agents")
            return False
        old = self._before.rows.get(number) if self._before else None
        if old is not None and old.shares == shares:
            self.rows[number] = old  # of its generation: unused stagings can still be reused
            self._same += 1
        else:
            self.rows[number] = self._row(shares)
        return True

    def _row(self, shares: tuple[Share, ...]) -> Row:
        row = self._new.get(shares)
        if row is None:
            row = self._new[shares] = Row(shares, generation=self.generation)
        return row

    def _shares(self, agent: object) -> tuple[Share, ...]:
        agent = agent.lower() if isinstance(agent, str) else ""
        shares = self.agents.get(agent)
        if shares is None:
            if not _UUID.fullmatch(agent):
                raise ValueError("has an inbound_agent_id that is not a UUID")
            known = self._before.agents.get(agent) if self._before else None
            shares = self.agents[agent] = known or (Share(agent),)
        return shares

    def _blame(self, item: object, problem: TypeError | ValueError) -> None:
        self.unusable += 1
        if len(self.problems) < MAX_PROBLEMS:
            number = item.get("number") if isinstance(item, dict) else None
            name = mask_untrusted(number) if isinstance(number, str) else "(no number)"
            self.problems.append(f"{name} {problem}")


def _number(item: dict[str, object]) -> str:
    """Return the number of an item as a key of the mapping: E.164, or the name of a SIP number."""
    number = item.get("number")
    if not isinstance(number, str):
        raise TypeError("has a number that is not a text")
    if is_unambiguous(number):
        return number
    if is_e164(number):
        return to_e164(number)
    if is_e164(f"+{number}"):
        return to_e164(f"+{number}")
    if item.get("type") == "sip" and is_plain(number) and not number.endswith(ANY):
        return number
    raise ValueError("is neither E.164 nor the name of a SIP number")
