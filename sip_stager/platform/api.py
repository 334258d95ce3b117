"""The staging API, as https://docs.callrounded.com describes it.

Failures of the network and of the server are values; nothing is raised.  A ``staged_id`` must be a
plain token, because it becomes a SIP header.
"""

from __future__ import annotations

import asyncio
import json
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from sip_stager.http_client import MAX_AGE, Client, HttpResponse, Priority, Share
from sip_stager.platform.agent import coerce_variables, read_agent
from sip_stager.platform.json_client import FIELDS, JSON, JsonClient
from sip_stager.platform.outcome import Failure, InvalidResponse, Staged
from sip_stager.platform.rate_limit import MAX_HOLD
from sip_stager.platform.replies import is_token
from sip_stager.platform.staged_ids import StagedIds, is_record_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from pydantic import SecretStr

    from sip_stager.http_client import Names, Phases, RequestHead, Result
    from sip_stager.model.call import Call
    from sip_stager.platform.agent import AgentRecord, Declared
    from sip_stager.platform.rate_limit import RateLimit

_NO_CALL = "00000000-0000-0000-0000-000000000000"


class RoundedApi:
    """A client of the API; made within a running loop, and closed with ``aclose``.

    ``connections`` limits those open at a time, ``max_body_bytes`` the body of a response that is
    read.  Certificates are verified against certifi's list, or the one that the environment's
    ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names, unless ``tls`` is given.  ``declared`` has the
    variables of agents by their ids: a call's values are converted to these types.  ``names``
    resolves the API's host name, without it the system does.  ``max_hold`` is the longest time,
    in seconds, for which a rate limit holds requests back, ``max_age`` that for which a connection
    is used.
    """

    def __init__(
        self,
        base_url: str,
        key: SecretStr,
        *,
        connections: int = 1000,
        max_body_bytes: int = 65536,
        tls: ssl.SSLContext | None = None,
        declared: Mapping[str, Declared] | None = None,
        names: Names | None = None,
        max_hold: float = MAX_HOLD,
        max_age: float = MAX_AGE,
    ) -> None:
        self.http = Client(
            base_url,
            fields={"X-Api-Key": key.get_secret_value(), **FIELDS},
            connections=connections,
            max_body_bytes=max_body_bytes,
            tls=tls,
            names=names,
            max_age=max_age,
        )
        self._json = JsonClient(self.http, key, max_hold)
        self._declared = {} if declared is None else declared
        self._staged_ids = StagedIds()
        self._prepare()

    def _prepare(self) -> None:
        """Prepare the requests that each call needs, with the present key."""
        self._stage, self._stage_sync = (
            self.http.prepare("POST", f"/v1/calls/stage?sync={sync}", JSON)
            for sync in ("false", "true")
        )

    def replace_key(self, key: SecretStr) -> None:
        """Send another API key from now on."""
        self.http.replace_field("X-Api-Key", key.get_secret_value())
        self._json.add_key(key)
        self._prepare()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.http.aclose()

    @property
    def rate_limit(self) -> RateLimit:
        """The rate limit that responses have announced; whoever sends must keep to it."""
        return self._json.rate_limit

    async def warm(self, connections: int) -> tuple[str, ...]:
        """Open so many connections at the same time; return what went wrong, in words."""
        answers = await asyncio.gather(*(self.status(_NO_CALL, {}) for _ in range(connections)))
        return tuple(
            sorted(
                {
                    f"HTTP {answer.http_status}: {answer.text}"
                    if answer.http_status
                    else answer.text
                    for answer in answers
                    if not isinstance(answer, str) and answer.http_status != 404
                }
            )
        )

    async def stage(self, call: Call, phases: Phases, *, sync: bool) -> Staged | Failure:
        """Stage a call; ``sync`` asks the API to respond only when the call is ``staged``.

        ``phases`` gets the seconds spent, also when the caller is cancelled.
        """
        head = self._stage_sync if sync else self._stage
        body = _staging_body(call, self._declared)
        # Before any wait for a connection: it may be earlier than the request, never later.
        sent_at = perf_counter()
        share = Share(call.trunk, call.agent_id)
        result = await self._json.exchange(head, phases, Priority.NORMAL, body, share)
        data = self._json.data(result, agent=call.agent_id, sent_at=sent_at)
        if not isinstance(data, dict):
            return data
        staged_id = data.get("call_id")
        if not is_token(staged_id):
            return InvalidResponse("the API's answer has no usable call_id", 201)
        if self._staged_ids.take(staged_id, call, perf_counter()):
            return Staged(staged_id)
        return _distrust(result, "the API's answer has the id of another call")

    async def status(
        self,
        staged_id: str,
        phases: Phases,
        priority: Priority = Priority.LOW,
        call: Call | None = None,
    ) -> str | Failure:
        """Return the call's status in the API's word, escaped and capped.

        ``call`` is the one that waits for it, if any.

        A poll of a call that waits has ``Priority.HIGH``: it is about to be ready.  When calls come
        faster than the API can take them, polls behind new stagings would make all calls late.
        """
        head = self._get(f"/v1/calls/{staged_id}")
        trunk, agent = (call.trunk, call.agent_id) if call else ("", "")
        share = Share(trunk, agent)
        result = await self._json.exchange(head, phases, priority, share=share)
        data = self._json.data(result, agent=agent)
        if not isinstance(data, dict):
            return data
        if not is_record_of(data, staged_id, call):
            return _distrust(result, "the API's answer is the record of another call", 200)
        status = data.get("status")
        if isinstance(status, str):
            return self._json.shown(status)
        return InvalidResponse("the API's answer has no status", 200)

    async def terminate(self, staged_id: str) -> Failure | None:
        """End a call; return the failure, if any."""
        return await self._change("POST", f"/v1/calls/{staged_id}/terminate")

    async def label(self, staged_id: str, metadata: dict[str, str | float]) -> Failure | None:
        """Add to a call's record; return the failure, if any."""
        body = json.dumps({"metadata": metadata, "override": False}).encode()
        return await self._change("PATCH", f"/v1/calls/{staged_id}", body)

    async def agent(self, agent_id: str, version: int | None = None) -> AgentRecord | Failure:
        """Fetch a version of an agent, or the one that was published last."""
        query = f"?version={version}" if version else ""
        head = self._get(f"/v1/agents/{agent_id}{query}")
        data = self._json.data(await self._json.exchange(head, {}, Priority.LOW))
        return read_agent(data, self._json.shown) if isinstance(data, dict) else data

    async def numbers(self, limit: int, page: int) -> tuple[list[Any], int] | Failure:
        """Fetch a page of numbers, from 1; return them and the number of all numbers there are."""
        head = self._get(f"/v1/phone-numbers?use_cursor=false&limit={limit}&page={page}")
        answer = self._json.answer(await self._json.exchange(head, {}, Priority.LOW), data=list)
        if not isinstance(answer, dict):
            return answer
        total = answer.get("total_items")
        if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
            return answer["data"], total
        return InvalidResponse(
            "the API's answer does not say how many numbers there are (total_items)", 200
        )

    def _get(self, target: str) -> RequestHead:
        return self.http.prepare("GET", target)

    async def _change(self, method: str, target: str, body: bytes = b"") -> Failure | None:
        head = self.http.prepare(method, target, JSON if body else None)
        data = self._json.data(await self._json.exchange(head, {}, Priority.LOW, body))
        return None if isinstance(data, dict) else data


def _distrust(result: Result, why: str, http_status: int = 201) -> InvalidResponse:
    """Close the connection of a response that is another request's: all that follow would be."""
    if isinstance(result, HttpResponse):
        result.distrust()
    return InvalidResponse(f"{why}; its connection is closed", http_status)


def _staging_body(call: Call, declared: Mapping[str, Declared]) -> bytes:
    """Return the body of a staging request; values are of the types that the agent declares."""
    asked: dict[str, Any] = {
        "from_number": call.from_number,
        "to_number": call.to_number,
        "agent_id": call.agent_id,
    }
    if variables := coerce_variables(call.variables, declared.get(call.agent_id, {})):
        asked["dynamic_variables_values"] = variables
    return json.dumps(asked).encode()
