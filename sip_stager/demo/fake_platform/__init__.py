"""A fake of the staging API: a real HTTP server with the statuses, delays and faults of the real.

The demo, the tests and the benchmark use it in-process (``async with FakeApi() as api``) or as a
program of its own: ``python -m sip_stager.demo.fake_platform --port 8080 --delay 0.15``.

``GET /_fake/stats`` shows what it has seen; ``PUT /_fake/behaviours`` with a JSON object of
behaviours by agent id or dialled number (``default`` is the one for all others, ``phone_numbers``
that of the list of numbers, ``labels`` that of what is written into calls) changes its ways, and
``PUT /_fake/phone-numbers`` its list.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import TypeAdapter

from sip_stager.demo import faults
from sip_stager.demo.answers import (
    PUBLISHED,
    UUID,
    agent_record,
    failure,
    refusal,
    success,
    wrong_fields,
)
from sip_stager.demo.behaviour import Behaviour
from sip_stager.demo.calls import StagedCall, StagedCalls, Stats
from sip_stager.demo.http_server import HttpServer
from sip_stager.demo.phone_numbers import PhoneNumbers, read_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

BEHAVIOURS = TypeAdapter(dict[str, Behaviour])


class FakeApi(HttpServer):
    """The server; ``by`` holds behaviours by agent id or dialled number."""

    def __init__(
        self,
        default: Behaviour | None = None,
        by: dict[str, Behaviour] | None = None,
        *,
        key: str = "demo-key",
    ) -> None:
        super().__init__()
        self.default = default or Behaviour()
        self.by = by or {}
        self.phone_numbers = PhoneNumbers()
        self.stats = Stats()
        self.last_request: dict[str, Any] = {}
        self.last_headers: dict[str, str] = {}
        self.key = key
        self._calls = StagedCalls()
        self._loop = asyncio.get_running_loop()

    @property
    def calls(self) -> Mapping[str, StagedCall]:
        """The calls that it was asked to stage in the last minutes, by the ids that it gave."""
        return self._calls

    def connected(self) -> None:
        """Count a connection."""
        self.stats.connections += 1

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer as the API does, or about the fake itself."""
        if request.path.startswith("/_fake/"):
            return await self._manage(request)
        self.stats.requests += 1
        self.stats.under_way += 1
        try:
            response = await self._answer(request)
        except asyncio.CancelledError:
            self.stats.aborted += not request.get(faults.ENDED, False)
            raise
        finally:
            self.stats.under_way -= 1
        self.stats.responses[response.status] += 1
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("X-Api-Key") != self.key:
            return failure(401, "Invalid API key")
        match request.method, request.path.split("/")[1:]:
            case "POST", ["v1", "calls", "stage"]:
                return await self._stage(request)
            case _, ["v1", "calls", staged_id, *rest] if staged_id in self._calls:
                return await self._of_call(request, staged_id, rest)
            case "GET", ["v1", "agents", agent_id]:
                return await self._agent(agent_id, request.query.get("version", str(PUBLISHED)))
            case "GET", ["v1", "phone-numbers"]:
                return await self._numbers(request)
            case _:
                return failure(404, "Not found")

    async def _numbers(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give a page; its behaviour is that of ``phone_numbers`` alone."""
        behaviour = self.by.get("phone_numbers", Behaviour())
        await asyncio.sleep(behaviour.latency)
        if behaviour.status != 201:
            return refusal(behaviour)
        if behaviour.fault:
            return await faults.answer(request, behaviour.fault, "no-call")
        return self.phone_numbers.page(request.query)

    async def _of_call(
        self, request: web.BaseRequest, staged_id: str, rest: list[str]
    ) -> web.StreamResponse:
        match request.method, rest:
            case "GET", []:
                return await self._show(staged_id)
            case "PATCH", []:
                return await self._label(staged_id, request)
            case "POST", ["terminate"]:
                return self._terminate(staged_id)
            case _:
                return failure(404, "Not found")

    async def _stage(self, request: web.BaseRequest) -> web.StreamResponse:
        self.stats.stage_requests += 1
        self.last_headers = dict(request.headers)
        try:
            asked = self.last_request = json.loads(await request.read())
            behaviour = self._behaviour(asked["agent_id"], asked["to_number"])
        except (ValueError, KeyError, TypeError):
            return failure(400, "Body is not a JSON object with agent_id and to_number")
        if wrong := wrong_fields(asked):
            return failure(422, "Validation failed", wrong)
        staged_id = self._calls.remember(asked, self._loop.time(), behaviour)
        await self._hold(behaviour, sync=request.query_string == "sync=true")
        if behaviour.status == 201 and behaviour.fault:
            return await faults.answer(request, behaviour.fault, staged_id)
        if behaviour.status != 201:
            return refusal(behaviour)
        response = success(201, {"call_id": staged_id}, "Call staged successfully")
        response.headers.update(behaviour.headers)
        return response

    async def _hold(self, behaviour: Behaviour, *, sync: bool) -> None:
        if wait := behaviour.latency + (behaviour.delay if sync else 0.0):
            since = perf_counter()  # uvloop's own clock has steps of a millisecond
            await asyncio.sleep(wait)
            self.stats.held += perf_counter() - since

    def _behaviour(self, agent_id: str, to_number: str = "") -> Behaviour:
        return self.by.get(to_number) or self.by.get(agent_id) or self.default

    async def _show(self, staged_id: str) -> web.StreamResponse:
        self.stats.polls += 1
        call = self._calls[staged_id]
        call.polls += 1
        if call.behaviour.latency:
            await asyncio.sleep(call.behaviour.latency)
        if call.polls <= call.behaviour.poll_failures:
            return refusal(call.behaviour, call.behaviour.poll_status)
        status = call.status(self._loop.time())
        shown = {"id": staged_id, "status": status, "direction": "inbound"}
        return success(200, {**shown, "metadata": call.metadata, **call.request})

    async def _label(self, staged_id: str, request: web.BaseRequest) -> web.StreamResponse:
        behaviour = self.by.get("labels", Behaviour())
        await asyncio.sleep(behaviour.latency)
        if behaviour.status != 201:
            return refusal(behaviour)
        try:
            metadata = json.loads(await request.read())["metadata"]
            self._calls[staged_id].metadata.update(metadata)
        except (ValueError, KeyError, TypeError):
            return failure(400, "Body is not a JSON object with metadata")
        return success(200, {"id": staged_id, "metadata": metadata})

    def _terminate(self, staged_id: str) -> web.StreamResponse:
        self.stats.terminations += 1
        self._calls[staged_id].terminated = True
        return success(200, {"call_id": staged_id}, "Call terminated")

    async def _agent(self, agent_id: str, version: str) -> web.StreamResponse:
        if (behaviour := self._behaviour(agent_id)).status != 201:
            return refusal(behaviour)
        await asyncio.sleep(behaviour.latency)
        if not UUID.fullmatch(agent_id) or version not in map(str, range(1, PUBLISHED + 1)):
            return failure(404, "Agent not found")
        return success(200, agent_record(agent_id, int(version), behaviour.variables))

    async def _manage(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "PUT":
            try:
                self._change(request.path, await request.read())
            except ValueError as error:
                return failure(422, str(error))
        now = self._loop.time()
        statuses = Counter(call.status(now) for call in self._calls.values())
        shown = {name: getattr(self.stats, name) for name in Stats.__slots__}
        return web.json_response({**shown, "calls": statuses})

    def _change(self, path: str, text: bytes) -> None:
        """Change its ways, or its list of numbers; raises ``ValueError``."""
        if path == "/_fake/phone-numbers":
            self.phone_numbers.items = read_numbers(text)
        elif path == "/_fake/behaviours":
            given = BEHAVIOURS.validate_json(text)
            self.default = given.pop("default", self.default)
            self.by.update(given)
