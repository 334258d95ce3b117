"""The HTTP server of the fake API.

The demo, the tests and the benchmarks run it in-process (``async with FakeApi() as api``) or as a
program: ``python -m sip_stager.demo.fake_platform --port 8080 --delay 0.15``.

Besides the API it serves:

- ``GET /_fake/stats``: its statistics.
- ``PUT /_fake/behaviours``: a JSON object of behaviours by agent id or dialled number.  Three names
  are special: ``default`` (all other calls), ``phone_numbers`` (the list of numbers) and ``labels``
  (writing metadata into a call).
- ``PUT /_fake/phone-numbers``: a new list of numbers.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import TypeAdapter

from sip_stager.demo.fake_platform import faults
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.number_list import NumberList, parse_numbers
from sip_stager.demo.fake_platform.reopenable_server import ReopenableServer
from sip_stager.demo.fake_platform.replies import (
    LATEST_VERSION,
    UUID,
    agent_record,
    error_reply,
    failure,
    success,
    validation_errors,
)
from sip_stager.demo.fake_platform.staged_calls import StagedCall, StagedCalls, Stats

if TYPE_CHECKING:
    from collections.abc import Mapping

BEHAVIOURS = TypeAdapter(dict[str, Behaviour])


class FakeApi(ReopenableServer):
    """The server; ``behaviours`` are by agent id or dialled number, the number first."""

    def __init__(
        self,
        default: Behaviour | None = None,
        behaviours: dict[str, Behaviour] | None = None,
        *,
        key: str = "demo-key",
    ) -> None:
        super().__init__()
        self.default = default or Behaviour()
        self.behaviours = behaviours or {}
        self.phone_numbers = NumberList()
        self.stats = Stats()
        self.last_request: dict[str, Any] = {}
        self.last_headers: dict[str, str] = {}
        self.key = key
        self._calls = StagedCalls()
        self._loop = asyncio.get_running_loop()

    @property
    def calls(self) -> Mapping[str, StagedCall]:
        """The calls of the last minutes, by staged id."""
        return self._calls

    def connection_accepted(self) -> None:
        """Count a connection."""
        self.stats.connections += 1

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request to the API, or one to the fake itself."""
        if request.path.startswith("/_fake/"):
            return await self._manage(request)
        self.stats.requests += 1
        self.stats.active += 1
        try:
            response = await self._answer(request)
        except asyncio.CancelledError:
            # A fault that closes the connection cancels its handler as well.
            self.stats.aborted += not request.get(faults.CLOSED_BY_FAULT, False)
            raise
        finally:
            self.stats.active -= 1
        self.stats.responses[response.status] += 1
        return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("X-Api-Key") != self.key:
            return failure(401, "Invalid API key")
        match request.method, request.path.split("/")[1:]:
            case "POST", ["v1", "calls", "stage"]:
                return await self._stage(request)
            case _, ["v1", "calls", staged_id, *rest] if staged_id in self._calls:
                return await self._answer_about_call(request, staged_id, rest)
            case "GET", ["v1", "agents", agent_id]:
                return await self._show_agent(
                    agent_id, request.query.get("version", str(LATEST_VERSION))
                )
            case "GET", ["v1", "phone-numbers"]:
                return await self._list_numbers(request)
            case _:
                return failure(404, "Not found")

    async def _list_numbers(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return a page of the list; the default behaviour does not apply to it."""
        behaviour = self.behaviours.get("phone_numbers", Behaviour())
        await asyncio.sleep(behaviour.latency)
        if behaviour.status != 201:
            return error_reply(behaviour)
        if behaviour.fault:
            return await faults.answer(request, behaviour.fault, "no-call")
        return self.phone_numbers.page(request.query)

    async def _answer_about_call(
        self, request: web.BaseRequest, staged_id: str, rest: list[str]
    ) -> web.StreamResponse:
        match request.method, rest:
            case "GET", []:
                return await self._show_call(staged_id)
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
            body = self.last_request = json.loads(await request.read())
            behaviour = self._behaviour(body["agent_id"], body["to_number"])
        except (ValueError, KeyError, TypeError):
            return failure(400, "Body is not a JSON object with agent_id and to_number")
        if errors := validation_errors(body):
            return failure(422, "Validation failed", errors)
        staged_id = self._calls.add(body, self._loop.time(), behaviour)
        await self._hold(behaviour, sync=request.query_string == "sync=true")
        if behaviour.status == 201 and behaviour.fault:
            return await faults.answer(request, behaviour.fault, staged_id)
        if behaviour.status != 201:
            return error_reply(behaviour)
        response = success(201, {"call_id": staged_id}, "Call staged successfully")
        response.headers.update(behaviour.headers)
        return response

    async def _hold(self, behaviour: Behaviour, *, sync: bool) -> None:
        if wait := behaviour.latency + (behaviour.delay if sync else 0.0):
            since = perf_counter()  # the clock of uvloop has a resolution of a millisecond
            await asyncio.sleep(wait)
            self.stats.held_seconds += perf_counter() - since

    def _behaviour(self, agent_id: str, to_number: str = "") -> Behaviour:
        return self.behaviours.get(to_number) or self.behaviours.get(agent_id) or self.default

    async def _show_call(self, staged_id: str) -> web.StreamResponse:
        self.stats.polls += 1
        call = self._calls[staged_id]
        call.polls += 1
        if call.behaviour.latency:
            await asyncio.sleep(call.behaviour.latency)
        if call.polls <= call.behaviour.poll_failures:
            return error_reply(call.behaviour, call.behaviour.poll_status)
        status = call.status(self._loop.time())
        shown = {"id": staged_id, "status": status, "direction": "inbound"}
        return success(200, {**shown, "metadata": call.metadata, **call.request})

    async def _label(self, staged_id: str, request: web.BaseRequest) -> web.StreamResponse:
        behaviour = self.behaviours.get("labels", Behaviour())
        await asyncio.sleep(behaviour.latency)
        if behaviour.status != 201:
            return error_reply(behaviour)
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

    async def _show_agent(self, agent_id: str, version: str) -> web.StreamResponse:
        if (behaviour := self._behaviour(agent_id)).status != 201:
            return error_reply(behaviour)
        await asyncio.sleep(behaviour.latency)
        if not UUID.fullmatch(agent_id) or version not in map(str, range(1, LATEST_VERSION + 1)):
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
        """Change behaviours or the list of numbers; raise ``ValueError`` if the text is invalid."""
        if path == "/_fake/phone-numbers":
            self.phone_numbers.items = parse_numbers(text)
        elif path == "/_fake/behaviours":
            changed = BEHAVIOURS.validate_json(text)
            self.default = changed.pop("default", self.default)
            self.behaviours.update(changed)
