"""The phone numbers of the fake API, listed page by page as the real one does."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter

from sip_stager.demo.fake_platform.replies import failure

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_PAGE = 1000
"""Numbers on a page."""


def number_record(number: str, agent_id: str | None, **more: object) -> dict[str, Any]:
    """Return the API's record of a number."""
    shown = {"type": "pstn", "id": number, "number": number, "name": f"Line {number}"}
    redirect = {"redirect": False, "redirect_phone_number": None}
    created = {"created_at": "2023-11-07T05:31:56Z"}
    return {**shown, "inbound_agent_id": agent_id, **redirect, **created, **more}


class _Record(BaseModel):
    model_config = ConfigDict(extra="allow")

    number: str
    inbound_agent_id: str | None = None


class _Reply(BaseModel):
    data: list[_Record]


_LISTED = TypeAdapter(list[_Record] | _Reply)


def parse_numbers(text: bytes) -> list[dict[str, Any]]:
    """Parse JSON: a list of the API's number records, or its whole reply.

    Fields that a record leaves out are as in ``number_record``.  Raises ``ValueError``.
    """
    listed = _LISTED.validate_json(text)
    records = listed.data if isinstance(listed, _Reply) else listed
    return [
        {**number_record(record.number, record.inbound_agent_id), **record.model_dump()}
        for record in records
    ]


@dataclass(slots=True)
class NumberList:
    """The list of numbers.

    ``page_limit`` is the largest page that the API returns, whatever the client asks for;
    ``total``, if set, is a wrong total that it reports.
    """

    items: list[Any] = field(default_factory=list)
    page_limit: int = MAX_PAGE
    total: int | None = None

    def page(self, query: Mapping[str, str]) -> web.Response:
        """Return the page that a query asks for, by page number or by cursor."""
        try:
            limit, number = int(query.get("limit", "50")), int(query.get("page", "1"))
        except ValueError:
            return failure(422, "limit and page must be numbers")
        if not 1 <= limit <= MAX_PAGE or number < 1:
            return failure(422, f"limit must be 1 to {MAX_PAGE}, page 1 or more")
        size = min(limit, self.page_limit)
        by_cursor = query.get("use_cursor") == "true"
        after = query.get("cursor", "")
        page = self._page_after(after, size) if by_cursor else self._page_number(number, size)
        body = {**page, "error": None, "status": 200}
        return web.Response(body=json.dumps(body).encode(), content_type="application/json")

    def _page_number(self, number: int, size: int) -> dict[str, Any]:
        total = len(self.items) if self.total is None else self.total
        pages = {"current_page": number, "total_pages": -(-total // size), "total_items": total}
        return {"data": self.items[(number - 1) * size : number * size], **pages}

    def _page_after(self, cursor: str, size: int) -> dict[str, Any]:
        """Return the newest records older than the time in the cursor.

        Like the real API, this skips records created at exactly that time.
        """
        newest = sorted(self.items, key=itemgetter("created_at"), reverse=True)
        older = [item for item in newest if not cursor or item["created_at"] < cursor]
        more = len(older) > size
        return {
            "data": older[:size],
            "next_cursor": older[size - 1]["created_at"] if more else None,
        }
