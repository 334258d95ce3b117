"""The numbers of the fake API, given page by page as the real one gives its own."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
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
    return {**shown, "inbound_agent_id": agent_id, **redirect, **more}


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

    With ``endless`` the last page is followed by the first.
    """

    items: list[Any] = field(default_factory=list)
    page_most: int = MOST
    endless: bool = False

    def page(self, query: Mapping[str, str]) -> web.Response:
        """Answer with the page that a query asks for."""
        try:
            limit, begin = int(query.get("limit", "50")), int(query.get("cursor", "0"))
        except ValueError:
            return failure(422, "limit and cursor must be numbers")
        if not 1 <= limit <= MOST or query.get("use_cursor") != "true":
            return failure(422, f"limit must be 1 to {MOST}, use_cursor true")
        end = begin + min(limit, self.page_most)
        more = end < len(self.items)
        cursor = str(end) if more else "0" if self.endless else None
        body = {"data": self.items[begin:end], "next_cursor": cursor, "error": None, "status": 200}
        return web.Response(body=json.dumps(body).encode(), content_type="application/json")
