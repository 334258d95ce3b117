"""The staging API, as https://docs.callrounded.com describes it.

What the network and the server do wrong ends here as a value; nothing is raised.  No answer is
trusted: sizes are capped, ``call_id`` must be a plain token because it becomes a SIP header, and
the API's own words are escaped before anybody sees them.
"""

from __future__ import annotations

import asyncio
import json
from time import perf_counter, time
from typing import TYPE_CHECKING, Any, Self

import httpx

from sip_stager.staging.agent import fitting, read_agent
from sip_stager.staging.answers import (
    TEXT_MOST,
    error_words,
    is_token,
    json_object,
    printable,
    retry_after,
)
from sip_stager.staging.http_transport import HttpTransport
from sip_stager.staging.outcome import Failure, Nonsense, OverTime, Refused, Staged, Unreachable
from sip_stager.staging.rate_limit import RateLimit

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from pydantic import SecretStr

    from sip_stager.ports import Call
    from sip_stager.staging.agent import Agent, Declared
    from sip_stager.staging.phases import Phases

_NO_CALL = "00000000-0000-0000-0000-000000000000"
_JSON = httpx.Headers({"Content-Type": "application/json"})


class RoundedApi:
    """A client of the API; made within a running loop, and closed with ``aclose``.

    ``connections`` is the most that are open at once, ``body_most`` the most of an answer that
    is read, in bytes.  Certificates are verified against certifi's list, or the one that the
    environment's ``SSL_CERT_FILE`` names, unless ``tls`` brings another.  ``rate_limit`` is what
    the answers said of it; to keep to it is up to who sends.  ``declared`` has the variables of
    agents by their ids; the values that a call brings are brought to their types.
    """

    def __init__(
        self,
        base_url: str,
        key: SecretStr,
        *,
        connections: int = 1000,
        body_most: int = 65536,
        tls: ssl.SSLContext | None = None,
        declared: Mapping[str, Declared] | None = None,
    ) -> None:
        base = base_url.rstrip("/")
        self._calls = f"{base}/v1/calls/"
        self._agents = f"{base}/v1/agents/"
        self._numbers = f"{base}/v1/phone-numbers"
        self._stage_urls = tuple(
            httpx.URL(f"{self._calls}stage?sync={word}") for word in ("false", "true")
        )
        self._key = key
        self._declared = {} if declared is None else declared
        self.rate_limit = RateLimit()
        self._transport = HttpTransport(
            tls=tls or httpx.create_ssl_context(),
            headers={
                "X-Api-Key": key.get_secret_value(),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "sip-stager",
            },
            connections=connections,
            body_most=body_most,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    @property
    def requests(self) -> dict[str, int]:
        """How many requests are ``under_way``, and how many are ``queued``."""
        return self._transport.requests

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
        data = await self._data("POST", url, phases, _asked(call, self._declared))
        if not isinstance(data, dict):
            return data
        call_id = data.get("call_id")
        if is_token(call_id):
            return Staged(call_id)
        return Nonsense("the API's answer has no usable call_id", 201)

    async def status(self, call_id: str, phases: Phases) -> str | Failure:
        """Give the call's status in the API's word, escaped and capped."""
        data = await self._data("GET", httpx.URL(f"{self._calls}{call_id}"), phases)
        if not isinstance(data, dict):
            return data
        status = data.get("status")
        if isinstance(status, str):
            return self._shown(status)
        return Nonsense("the API's answer has no status", 200)

    async def terminate(self, call_id: str) -> str:
        """End a call; give the word of what went wrong, empty where nothing did."""
        url = httpx.URL(f"{self._calls}{call_id}/terminate")
        return _wrong(await self._data("POST", url, {}))

    async def label(self, call_id: str, metadata: dict[str, str | float]) -> str:
        """Add to a call's record; give the word of what went wrong, empty where nothing did."""
        body = json.dumps({"metadata": metadata, "override": False}).encode()
        return _wrong(await self._data("PATCH", httpx.URL(f"{self._calls}{call_id}"), {}, body))

    async def agent(self, agent_id: str, version: int | None = None) -> Agent | Failure:
        """Fetch a version of an agent, or the one that was published last."""
        asked = f"?version={version}" if version else ""
        data = await self._data("GET", httpx.URL(f"{self._agents}{agent_id}{asked}"), {})
        return read_agent(data, self._shown) if isinstance(data, dict) else data

    async def numbers(self, limit: int, cursor: str = "") -> tuple[list[Any], str] | Failure:
        """Fetch a page of numbers; give them, and the next page's cursor, empty after the last."""
        asked = {"use_cursor": "true", "limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        url = httpx.URL(self._numbers, params=asked)
        answer = await self._answer("GET", url, {}, data=list)
        if not isinstance(answer, dict):
            return answer
        following = answer.get("next_cursor") or ""
        if isinstance(following, str) and len(following) <= TEXT_MOST:
            return answer["data"], following
        return Nonsense("the API's answer has a next_cursor of no use", 200)

    async def _data(
        self, method: str, url: httpx.URL, phases: Phases, body: bytes = b""
    ) -> dict[str, Any] | Failure:
        """Send, and give the ``data`` of a successful answer."""
        answer = await self._answer(method, url, phases, body)
        return answer["data"] if isinstance(answer, dict) else answer

    async def _answer(
        self, method: str, url: httpx.URL, phases: Phases, body: bytes = b"", data: type = dict
    ) -> dict[str, Any] | Failure:
        """Send, and give a successful answer whose ``data`` is of a type."""
        response = await self._send(method, url, phases, body)
        if isinstance(response, Unreachable):
            return response
        self.rate_limit.heard(response.status_code, response.headers.raw, perf_counter(), time())
        answer = json_object(response.content)
        if not response.is_success:
            return self._refused(response, answer)
        if isinstance(answer.get("data"), data):
            return answer
        kind = "an object" if data is dict else "a list"
        why = response.extensions["unread"] or f"it is not JSON with {kind} as data"
        return Nonsense(f"the API's answer is of no use: {why}", response.status_code)

    async def _send(
        self, method: str, url: httpx.URL, phases: Phases, body: bytes
    ) -> httpx.Response | Unreachable:
        request = httpx.Request(
            method,
            url,
            headers=_JSON if body else None,
            stream=httpx.ByteStream(body),
            extensions={"phases": phases},
        )
        try:
            return await self._transport.handle_async_request(request)
        except httpx.ConnectError as error:
            return Unreachable(str(error), sent=False)
        except httpx.TransportError as error:
            return Unreachable(str(error))

    def _refused(self, response: httpx.Response, body: dict[str, Any]) -> Refused | OverTime:
        text = self._shown(error_words(body)) or response.reason_phrase
        if response.status_code == 408:
            return OverTime(f"the API gave up: {text}", 408)
        if response.is_redirect:
            text = "redirects are not followed; set api.base_url to where the API is now"
        after = retry_after(response.headers.get("Retry-After"), time())
        return Refused(response.status_code, text, after)

    def _shown(self, text: str) -> str:
        """Make text fit to be seen; an API that repeats the key does not get it into a log."""
        return printable(text.replace(self._key.get_secret_value(), "***"))


def _asked(call: Call, declared: Mapping[str, Declared]) -> bytes:
    """Write the body of a staging request; values are of the types that the agent declares."""
    asked: dict[str, Any] = {
        "from_number": call.from_number,
        "to_number": call.to_number,
        "agent_id": call.agent_id,
    }
    if variables := fitting(call.variables, declared.get(call.agent_id, {})):
        asked["dynamic_variables_values"] = variables
    return json.dumps(asked).encode()


def _wrong(data: dict[str, Any] | Failure) -> str:
    return "" if isinstance(data, dict) else data.word
