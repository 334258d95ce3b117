"""The numbers that the platform knows, as rows of the mapping.

They come page by page, and some of a page are read in one go: the whole of a large list would hold
up the calls of that moment.  Nothing is trusted; what makes no sense is counted and passed over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sip_stager.trunks.mapping import ANY, Row, Share, is_plain
from sip_stager.trunks.phone_numbers import is_e164, shown

if TYPE_CHECKING:
    from collections.abc import Collection

NAMED = 5
"""Of the unusable ones so many are named."""
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PlatformTable:
    """One list of the platform's numbers; what says the same as in the one before is the same row.

    ``rows`` has the numbers that have an agent or are redirected; those of one agent that changed
    together share a row, for 100,000 of them would take the garbage collector 50 ms.  ``agents``
    has the ids of the agents.  ``wrong`` names some of the ``unusable`` ones, masked.
    """

    def __init__(self, before: PlatformTable | None = None) -> None:
        self.rows: dict[str, Row] = {}
        self.agents: dict[str, tuple[Share, ...]] = {}
        self.redirected = self.without_agent = self.unusable = 0
        self.wrong: list[str] = []
        self.generation: int = before.generation + 1 if before else 1
        self._before: PlatformTable | None = before
        self._same = 0
        self._new: dict[tuple[Share, ...], Row] = {}

    @property
    def counts(self) -> dict[str, int]:
        """How many of the numbers are ``staged``, and how many are not, and why."""
        return {
            "staged": len(self.rows) - self.redirected,
            "redirected": self.redirected,
            "without_agent": self.without_agent,
            "unusable": self.unusable,
        }

    def add(self, items: Collection[object]) -> None:
        """Take some of the API's items."""
        for item in items:
            try:
                self._add(item if isinstance(item, dict) else {})
            except (TypeError, ValueError) as wrong:
                self._blame(item, wrong)

    def settle(self) -> bool:
        """End it, and let go the one before; tell whether any row differs from that."""
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
        """Make a number's row; tell whether it is there for the first time."""
        if (twin := self.rows.get(number)) is not None:
            if twin.shares != shares:
                raise ValueError("is there twice, with different agents")
            return False
        old = self._before.rows.get(number) if self._before else None
        if old is not None and old.shares == shares:
            self.rows[number] = old
            self._same += 1
        else:
            self.rows[number] = self._row(shares)
        return True

    def _row(self, shares: tuple[Share, ...]) -> Row:
        row = self._new.get(shares)
        if row is None:
            row = self._new[shares] = Row("", shares, generation=self.generation)
        return row

    def _shares(self, agent: object) -> tuple[Share, ...]:
        agent = agent.lower() if isinstance(agent, str) else ""
        shares = self.agents.get(agent)
        if shares is None:
            if not _UUID.fullmatch(agent):
                raise ValueError("has an inbound_agent_id that is no UUID")
            known = self._before.agents.get(agent) if self._before else None
            shares = self.agents[agent] = known or (Share(agent),)
        return shares

    def _blame(self, item: object, wrong: TypeError | ValueError) -> None:
        self.unusable += 1
        if len(self.wrong) < NAMED:
            number = item.get("number") if isinstance(item, dict) else None
            name = shown(number) if isinstance(number, str) else "(no number)"
            self.wrong.append(f"{name} {wrong}")


def _number(item: dict[str, object]) -> str:
    """Give an item's number as calls are looked for: E.164, or the name of a SIP number."""
    number = item.get("number")
    if not isinstance(number, str):
        raise TypeError("has no text as its number")
    if is_e164(number):
        return number
    if is_e164(f"+{number}"):
        return f"+{number}"
    if item.get("type") == "sip" and is_plain(number) and not number.endswith(ANY):
        return number
    raise ValueError("is neither E.164 nor the name of a SIP number")
