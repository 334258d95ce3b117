"""The staging API, as https://docs.callrounded.com describes it.

What the network and the server do wrong is a value; nothing is raised.  A ``staged_id`` must be a
plain token, because it becomes a SIP header.
"""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import httpx

from sip_stager.http_client.slots import Rank
from sip_stager.platform.agent import coerce_variables, read_agent
from sip_stager.platform.json_client import JsonClient
from sip_stager.platform.outcome import Failure, InvalidResponse, Staged
from sip_stager.platform.replies import is_token

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from pydantic import SecretStr

    from sip_stager.http_client.phases import Phases
    from sip_stager.model.call import Call
    from sip_stager.platform.agent import Agent, Declared
    from sip_stager.platform.rate_limit import RateLimit

_NO_CALL = "00000000-0000-0000-0000-000000000000"
_URLS_KEPT = 4096  # of calls that are polled: to read one is a quarter of what a poll costs


class RoundedApi:
    """A client of the API; made within a running loop, and closed with ``aclose``.

    ``connections`` is the most that are open at once, ``max_body_bytes`` the most of an answer that
    is read, in bytes.  Certificates are verified against certifi's list, or the one that the
    environment's ``SSL_CERT_FILE`` names, unless ``tls`` brings another.  ``declared`` has the
    variables of agents by their ids; the values that a call brings are brought to their types.
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
    ) -> None:
        base = base_url.rstrip("/")
        self._calls = f"{base}/v1/calls/"
        self._agents = f"{base}/v1/agents/"
        self._numbers = f"{base}/v1/phone-numbers"
        self._url = lru_cache(_URLS_KEPT)(httpx.URL)
        self._stage_urls = tuple(
            httpx.URL(f"{self._calls}stage?sync={word}") for word in ("false", "true")
        )
        self._declared = {} if declared is None else declared
        self._client = JsonClient(
            key, connections=connections, max_body_bytes=max_body_bytes, tls=tls
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._client.transport.aclose()

    @property
    def requests(self) -> dict[str, int]:
        """How many requests are ``active``, and how many are ``queued``."""
        return self._client.transport.requests

    @property
    def rate_limit(self) -> RateLimit:
        """What the answers said of it; to keep to it is up to who sends."""
        return self._client.rate_limit

    def send_away(self) -> None:
        """Let no staging wait for a connection any longer: it ends as ``BreakerOpen``."""
        self._client.transport.send_away()

    async def warm(self, connections: int) -> tuple[str, ...]:
        """Open so many connections at the same time; give what went wrong, in words."""
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
        """Stage; ``sync`` asks the API to answer only when the call is ``staged``.

        ``phases`` gets the seconds spent, also when the caller is cancelled.
        """
        url = self._stage_urls[sync]
        data = await self._client.data(
            "POST", url, phases, Rank.STAGE, _asked(call, self._declared)
        )
        if not isinstance(data, dict):
            return data
        staged_id = data.get("call_id")
        if is_token(staged_id):
            return Staged(staged_id)
        return InvalidResponse("the API's answer has no usable call_id", 201)

    async def status(
        self, staged_id: str, phases: Phases, rank: Rank = Rank.ASIDE
    ) -> str | Failure:
        """Give the call's status in the API's word, escaped and capped."""
        data = await self._client.data("GET", self._url(f"{self._calls}{staged_id}"), phases, rank)
        if not isinstance(data, dict):
            return data
        status = data.get("status")
        if isinstance(status, str):
            return self._client.shown(status)
        return InvalidResponse("the API's answer has no status", 200)

    async def terminate(self, staged_id: str) -> Failure | None:
        """End a call; give what went wrong, None where nothing did."""
        url = httpx.URL(f"{self._calls}{staged_id}/terminate")
        return _wrong(await self._client.data("POST", url, {}, Rank.ASIDE))

    async def label(self, staged_id: str, metadata: dict[str, str | float]) -> Failure | None:
        """Add to a call's record; give what went wrong, None where nothing did."""
        body = json.dumps({"metadata": metadata, "override": False}).encode()
        url = httpx.URL(f"{self._calls}{staged_id}")
        return _wrong(await self._client.data("PATCH", url, {}, Rank.ASIDE, body))

    async def agent(self, agent_id: str, version: int | None = None) -> Agent | Failure:
        """Fetch a version of an agent, or the one that was published last."""
        asked = f"?version={version}" if version else ""
        url = httpx.URL(f"{self._agents}{agent_id}{asked}")
        data = await self._client.data("GET", url, {}, Rank.ASIDE)
        return read_agent(data, self._client.shown) if isinstance(data, dict) else data

    async def numbers(self, limit: int, page: int) -> tuple[list[Any], int] | Failure:
        """Fetch a page of numbers, the first is 1; give them, and how many there are in all."""
        asked = {"use_cursor": "false", "limit": str(limit), "page": str(page)}
        url = httpx.URL(self._numbers, params=asked)
        answer = await self._client.answer("GET", url, {}, Rank.ASIDE, data=list)
        if not isinstance(answer, dict):
            return answer
        total = answer.get("total_items")
        if isinstance(total, int) and not isinstance(total, bool) and total >= 0:
            return answer["data"], total
        return InvalidResponse(
            "the API's answer does not say how many numbers there are (total_items)", 200
        )


def _asked(call: Call, declared: Mapping[str, Declared]) -> bytes:
    """Write the body of a staging request; values are of the types that the agent declares."""
    asked: dict[str, Any] = {
        "from_number": call.from_number,
        "to_number": call.to_number,
        "agent_id": call.agent_id,
    }
    if variables := coerce_variables(call.variables, declared.get(call.agent_id, {})):
        asked["dynamic_variables_values"] = variables
    return json.dumps(asked).encode()


def _wrong(data: dict[str, Any] | Failure) -> Failure | None:
    return None if isinstance(data, dict) else data
