"""The pages of the history as JSON: ``/api/v1/calls`` and ``/api/v1/calls/CALL-ID``.

Both are made step by step, since they run on the loop that serves calls.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from sip_stager.observability.call_views import SCHEMA_VERSION, full, summary
from sip_stager.observability.http_connection import PageResponse
from sip_stager.trunks.phone_numbers import to_e164

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

    from sip_stager.observability.call_history import CallHistory, PastCall
    from sip_stager.observability.http_connection import PageRequest

CALLS_PATH = "/api/v1/calls"
MAX_LISTED = 1000
"""Calls in one answer."""
_CALLS_AT_ONCE = 50
_EQUAL = frozenset({"trunk", "side", "cause", "staged_id", "state", "ended_by"})
"""Filters that are equal to a field of the summary."""
_NUMBERS = {"from": "from_hash", "to": "to_hash"}
_JSON = "application/json"


class CallPages:
    """Answers requests for calls from addresses in ``readers``."""

    def __init__(
        self, history: CallHistory, readers: Sequence[IPv4Network | IPv6Network], *, masks: bool
    ) -> None:
        self._history, self._readers, self._masks = history, readers, masks

    async def answer(self, request: PageRequest) -> PageResponse:
        """Return the page of a path below ``/api/``."""
        if not self._may_read(request.peer):
            words = "this address is not in [records] readers"
            return _json(HTTPStatus.FORBIDDEN, {"error": words})
        if request.path == CALLS_PATH:
            return await self._list(dict(parse_qsl(request.query)))
        if request.path.startswith(CALLS_PATH + "/"):
            return await self._one(unquote(request.path[len(CALLS_PATH) + 1 :]))
        return _json(HTTPStatus.NOT_FOUND, {"error": "there is no such page"})

    def _may_read(self, peer: str) -> bool:
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._readers)

    async def _list(self, query: dict[str, str]) -> PageResponse:
        try:
            limit = min(int(query.pop("limit", "100")), MAX_LISTED)
            wanted = self._wanted(query)
        except ValueError as error:
            return _json(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        listed: list[dict[str, Any]] = []
        for index, call in enumerate(self._history.newest_first()):
            if len(listed) >= limit:
                break
            view = summary(call)
            if all(view.get(name) == value for name, value in wanted.items()):
                listed.append(view)
            if index % _CALLS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return await _in_steps({"version": SCHEMA_VERSION}, "calls", listed)

    def _wanted(self, query: dict[str, str]) -> dict[str, str]:
        """Return the value that each field must have; raises ``ValueError``."""
        wanted = {}
        for name, value in query.items():
            if name in _NUMBERS:
                wanted[_NUMBERS[name]] = self._history.fields.hash_of(to_e164(value))
            elif name in _EQUAL:
                wanted[name] = value
            else:
                known = ", ".join(sorted({*_EQUAL, *_NUMBERS, "limit"}))
                raise ValueError(f"there is no such filter; the filters are {known}")
        return wanted

    async def _one(self, call_id: str) -> PageResponse:
        call = self._history.find(call_id)
        if call is None:
            words = "no call with this Call-ID is in the history"
            return _json(HTTPStatus.NOT_FOUND, {"error": words})
        return await _in_steps(self._head(call), "ladder", await self._ladder(call))

    def _head(self, call: PastCall) -> dict[str, Any]:
        ends = len(call.ends)
        head: dict[str, Any] = {"version": SCHEMA_VERSION, "call": summary(call)}
        return head | {"left_out": call.left_out, "ends": ends}

    async def _ladder(self, call: PastCall) -> list[dict[str, Any]]:
        ladder = []
        for view in full(call, masks=self._masks):
            ladder.append(view)
            await asyncio.sleep(0)  # a message takes a tenth of a millisecond to mask
        return ladder


async def _in_steps(head: dict[str, Any], name: str, values: list[dict[str, Any]]) -> PageResponse:
    """Return a JSON object with a long list, which is encoded a few values at a time."""
    parts = []
    for index, value in enumerate(values):
        parts.append(json.dumps(value, default=str))
        if index % _CALLS_AT_ONCE == 0:
            await asyncio.sleep(0)
    body = f'{json.dumps(head, default=str)[:-1]}, "{name}": [{", ".join(parts)}]}}\n'
    return PageResponse(HTTPStatus.OK, body.encode(), _JSON)


def _json(status: HTTPStatus, value: dict[str, Any]) -> PageResponse:
    return PageResponse(status, json.dumps(value).encode() + b"\n", _JSON)
