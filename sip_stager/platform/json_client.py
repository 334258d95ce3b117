"""Requests to the API, and what comes of them as values: nothing is raised.

No answer is trusted: sizes are capped, and the API's own words are escaped before anybody sees
them.  A redirect is not followed: it could take the key to another host.
"""

from __future__ import annotations

from time import perf_counter, time
from typing import TYPE_CHECKING, Any

import httpx

from sip_stager.http_client.client import HttpTransport
from sip_stager.http_client.pool import SentAway
from sip_stager.platform.outcome import (
    ApiUnreachable,
    BreakerOpen,
    Failure,
    InvalidResponse,
    Refused,
    TimedOut,
)
from sip_stager.platform.rate_limit import RateLimit
from sip_stager.platform.replies import (
    error_text,
    json_object,
    retry_after,
    sanitize,
    server_time,
)

if TYPE_CHECKING:
    import ssl

    from pydantic import SecretStr

    from sip_stager.http_client.phases import Phases
    from sip_stager.http_client.slots import Rank

_JSON = httpx.Headers({"Content-Type": "application/json"})


class JsonClient:
    """Speaks JSON with the API; its parameters are as in ``RoundedApi``."""

    def __init__(
        self, key: SecretStr, *, connections: int, max_body_bytes: int, tls: ssl.SSLContext | None
    ) -> None:
        self._key = key
        self.rate_limit = RateLimit()
        self.transport = HttpTransport(
            tls=tls or httpx.create_ssl_context(),
            headers={
                "X-Api-Key": key.get_secret_value(),
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "sip-stager",
            },
            connections=connections,
            max_body_bytes=max_body_bytes,
        )

    async def data(
        self, method: str, url: httpx.URL, phases: Phases, rank: Rank, body: bytes = b""
    ) -> dict[str, Any] | Failure:
        """Send, and give the ``data`` of a successful answer."""
        answer = await self.answer(method, url, phases, rank, body)
        if not isinstance(answer, dict):
            return answer
        data: dict[str, Any] = answer["data"]
        return data

    async def answer(
        self,
        method: str,
        url: httpx.URL,
        phases: Phases,
        rank: Rank,
        body: bytes = b"",
        data: type[dict[Any, Any] | list[Any]] = dict,
    ) -> dict[str, Any] | Failure:
        """Send, and give the whole of a successful answer, whose ``data`` is of that type."""
        response = await self._send(method, url, phases, rank, body)
        if not isinstance(response, httpx.Response):
            return response
        self.rate_limit.update(response.status_code, response.headers.raw, perf_counter(), time())
        answer = json_object(response.content)
        if not response.is_success:
            return self._refused(response, answer)
        if isinstance(answer.get("data"), data):
            return answer
        kind = "an object" if data is dict else "a list"
        why = response.extensions["unread"] or f"it is not JSON with {kind} as data"
        return InvalidResponse(f"the API's answer is of no use: {why}", response.status_code)

    def shown(self, text: str) -> str:
        """Make text fit to be seen; an API that repeats the key does not get it into a log."""
        return sanitize(text.replace(self._key.get_secret_value(), "***"))

    async def _send(
        self, method: str, url: httpx.URL, phases: Phases, rank: Rank, body: bytes
    ) -> httpx.Response | ApiUnreachable | BreakerOpen:
        request = httpx.Request(
            method,
            url,
            headers=_JSON if body else None,
            stream=httpx.ByteStream(body),
            extensions={"phases": phases, "rank": rank},
        )
        try:
            return await self.transport.handle_async_request(request)
        except SentAway:
            return BreakerOpen("the API failed too often while the call waited for a connection")
        except httpx.ConnectError as error:
            return ApiUnreachable(str(error), sent=False)
        except httpx.TransportError as error:
            return ApiUnreachable(str(error))

    def _refused(self, response: httpx.Response, body: dict[str, Any]) -> Refused | TimedOut:
        text = self.shown(error_text(body)) or response.reason_phrase or "the API gave no reason"
        if response.status_code == 408:
            return TimedOut(f"the API gave up: {text}", 408)
        if response.is_redirect:
            text = "redirects are not followed; set api.base_url to where the API is now"
        headers = response.headers
        theirs = server_time(headers.get("Date"), time())
        after = retry_after(headers.get("Retry-After"), theirs)
        return Refused(response.status_code, text, after)
