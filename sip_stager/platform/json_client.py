"""Requests to the API in JSON; what comes of them is a value, and nothing is raised.

No response is trusted: sizes are limited, and the API's own words are escaped before they are
shown.  A redirect is not followed: it could take the key to another host.
"""

from __future__ import annotations

from http.client import responses as reason_phrases
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

from sip_stager.http_client import Broken, ConnectFailed, HttpResponse, Rejected, Share
from sip_stager.platform.outcome import (
    ApiUnreachable,
    BreakerOpen,
    Failure,
    InvalidResponse,
    Refused,
    TimedOut,
)
from sip_stager.platform.rate_limit import MAX_HOLD, RateLimit
from sip_stager.platform.replies import (
    error_text,
    json_object,
    retry_after,
    sanitize,
    server_time,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from pydantic import SecretStr

    from sip_stager.http_client import Client, Phases, Priority, RequestHead, Result
    from sip_stager.http_client import Failure as HttpFailure

FIELDS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "sip-stager"}
"""Header fields of every request, beside the key."""
JSON = {"Content-Type": "application/json"}
"""Header fields of a request that has a body."""


class JsonClient:
    """Exchanges JSON with the API over ``http``; ``key`` is masked where the API repeats it."""

    def __init__(self, http: Client, key: SecretStr, max_hold: float = MAX_HOLD) -> None:
        self._http = http
        self._keys: tuple[SecretStr, ...] = (key,)
        self.rate_limit = RateLimit(max_hold)

    def exchange(
        self,
        head: RequestHead,
        phases: Phases,
        priority: Priority,
        body: bytes = b"",
        share: Share = Share(),  # noqa: B008  a tuple
    ) -> Coroutine[Any, Any, Result]:
        """Send a request; ``data`` or ``answer`` reads its result."""
        # Awaited by whoever asks, not here: a call that is held would have one more frame.
        return self._http.exchange(head, body, phases, priority, share)

    def data(
        self, result: Result, *, agent: str = "", sent_at: float = 0.0
    ) -> dict[str, Any] | Failure:
        """Return the ``data`` of a successful response; the rest is as in ``answer``."""
        answer = self.answer(result, agent=agent, sent_at=sent_at)
        if not isinstance(answer, dict):
            return answer
        data: dict[str, Any] = answer["data"]
        return data

    def answer(
        self,
        result: Result,
        data: type[dict[Any, Any] | list[Any]] = dict,
        *,
        agent: str = "",
        sent_at: float = 0.0,
    ) -> dict[str, Any] | Failure:
        """Return a successful response, whose ``data`` is of that type.

        The rate limit learns of it that the request was for ``agent``, and sent after ``sent_at``.
        """
        if not isinstance(result, HttpResponse):
            return _failure(result)
        if result.status < 100:
            text = f"the API's answer is of no use: {result.unread}"
            return InvalidResponse(text, result.status)
        self.rate_limit.update(
            result.status, result.fields, perf_counter(), time(), agent=agent, sent_at=sent_at
        )
        answer = json_object(result.body)
        if not 200 <= result.status < 300:
            return self._refused(result, answer)
        if isinstance(answer.get("data"), data):
            return answer
        kind = "an object" if data is dict else "a list"
        why = result.unread or f"it is not JSON with {kind} as data"
        return InvalidResponse(f"the API's answer is of no use: {why}", result.status)

    def shown(self, text: str) -> str:
        """Return text fit to be shown: escaped, capped, and with the keys masked."""
        for key in self._keys:
            text = text.replace(key.get_secret_value(), "***")
        return sanitize(text)

    def add_key(self, key: SecretStr) -> None:
        """Mask another key, and the one before, which the API may still repeat."""
        self._keys = (key, self._keys[0])

    def _refused(self, response: HttpResponse, answer: dict[str, Any]) -> Refused | TimedOut:
        status = response.status
        text = self.shown(error_text(answer)) or reason_phrases.get(status, "")
        text = text or "the API gave no reason"
        if status == 408:
            return TimedOut(f"the API gave up: {text}", status)
        if 300 <= status < 400:
            text = "redirects are not followed; set api.base_url to where the API is now"
        # A Retry-After may be a date, which is a point in time of the server's clock, not of ours.
        theirs = server_time(response.value(b"date"), time())
        return Refused(status, text, retry_after(response.value(b"retry-after"), theirs))


def _failure(failure: HttpFailure) -> ApiUnreachable | BreakerOpen:
    match failure:
        case Rejected():
            return BreakerOpen("the API failed too often while the call waited for a connection")
        case ConnectFailed(text):
            return ApiUnreachable(text, sent=False)  # so it is safe to try again
        case Broken(text):
            return ApiUnreachable(text, answered=True)
        case _:
            return ApiUnreachable(failure.text)
