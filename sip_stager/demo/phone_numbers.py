"""The numbers of the fake API, given page by page as the real one gives its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter

from sip_stager.demo.answers import failure

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 1000
"""Numbers of a page."""


def phone_number(number: str, agent_id: str | None, **more: object) -> dict[str, Any]:
    """Write a number as the API does."""
    shown = {"type": "pstn", "id": number, "number": number, "name": f"Line {number}"}
    redirect = {"redirect": False, "redirect_phone_number": None}
    created = {"created_at": "2023-11-07T05:31:56Z"}
    return {**shown, "inbound_agent_id": agent_id, **redirect, **created, **more}


class _Line(BaseModel):
    model_config = ConfigDict(extra="allow")

    number: str
    inbound_agent_id: str | None = None


class _Answer(BaseModel):
    data: list[_Line]


_LISTED = TypeAdapter(list[_Line] | _Answer)


def read_numbers(text: bytes) -> list[dict[str, Any]]:
    """Read JSON: a list of numbers as the API writes them, or its whole answer.

    What is not said of a number is as in ``phone_number``.  Raises ``ValueError``.
    """
    listed = _LISTED.validate_json(text)
    lines = listed.data if isinstance(listed, _Answer) else listed
    return [
        {**phone_number(line.number, line.inbound_agent_id), **line.model_dump()} for line in lines
    ]


@dataclass(slots=True)
class PhoneNumbers:
    """The list; ``page_most`` is the most of a page, whatever is asked for.

    ``total`` is how many there are said to be, where that is not the truth.
    """

    items: list[Any] = field(default_factory=list)
    page_most: int = MOST
    total: int | None = None

    def page(self, query: Mapping[str, str]) -> web.Response:
        """Answer with the page that a query asks for, by its number or by a cursor."""
        try:
            limit, number = int(query.get("limit", "50")), int(query.get("page", "1"))
        except ValueError:
            return failure(422, "limit and page must be numbers")
        if not 1 <= limit <= MOST or number < 1:
            return failure(422, f"limit must be 1 to {MOST}, page 1 or more")
        most = min(limit, self.page_most)
        by_cursor = query.get("use_cursor") == "true"
        said = self._after(query.get("cursor", ""), most) if by_cursor else self._nth(number, most)
        body = {**said, "error": None, "status": 200}
        return web.Response(body=json.dumps(body).encode(), content_type="application/json")

    def _nth(self, number: int, most: int) -> dict[str, Any]:
        total = len(self.items) if self.total is None else self.total
        pages = {"current_page": number, "total_pages": -(-total // most), "total_items": total}
        return {"data": self.items[(number - 1) * most : number * most], **pages}

    def _after(self, cursor: str, most: int) -> dict[str, Any]:
        """Give the newest that are older than a time: not those of the very same moment."""
        newest = sorted(self.items, key=itemgetter("created_at"), reverse=True)
        older = [item for item in newest if not cursor or item["created_at"] < cursor]
        more = len(older) > most
        return {
            "data": older[:most],
            "next_cursor": older[most - 1]["created_at"] if more else None,
        }
