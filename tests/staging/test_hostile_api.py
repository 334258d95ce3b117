"""Whatever a server does, in either mode: a staged call, or a refusal in time."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import time
from typing import TYPE_CHECKING, get_args

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour, Fault
from sip_stager.events import StagingEnded, StagingRetried
from sip_stager.model.call import Decision, Forward, Refusal
from sip_stager.platform import json_client as staging_client
from sip_stager.platform.api import RoundedApi
from sip_stager.staging.retry import Retries
from sip_stager.staging.stager import ApiStager
from tests.support.black_hole import black_hole, one_more_hangs, port_of, short_wait, silent_server
from tests.support.scripted_api import Scripted, answer

if TYPE_CHECKING:
    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.events import Event
    from sip_stager.model.call import Call
    from sip_stager.staging.attempts import Mode
    from tests.support.api_fixtures import Deadlines

KEY = "key-that-nobody-may-see"
MEBIBYTE = 1 << 20
MAX_BODY_BYTES = 2 * MEBIBYTE
both_modes = pytest.mark.parametrize("mode", ["sync", "async"])


def given(call_id: object) -> bytes:
    return json.dumps({"data": {"call_id": call_id}}).encode()


READY = answer(b'{"data": {"status": "staged"}}', "200 OK")


class Result:
    """The events and decisions of calls that were staged with a server."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.decisions: list[Decision] = []

    @property
    def ended(self) -> StagingEnded:
        (ended,) = [event for event in self.events if isinstance(event, StagingEnded)]
        return ended


async def stage(url: str, call: Call, mode: Mode, max_body_bytes: int = 4096) -> Result:
    """Stage one call, with an API at ``url``."""
    result = Result()
    async with RoundedApi(url, SecretStr(KEY), connections=1, max_body_bytes=max_body_bytes) as api:
        staging = ApiStager(
            api,
            result.events.append,
            mode=mode,
            poll_interval_min=0.01,
            poll_interval_max=0.01,
            retries=Retries(2, 0.02),
        )
        await staging.start_staging(call, result.decisions.append)
    assert len(result.decisions) == 1
    return result


def base(server: Scripted) -> str:
    return server.url.removesuffix("/a?b=c")


BOMB = gzip.compress(b'{"data": {"call_id": "abc", "more": "%b"}}' % (b" " * 50 * MEBIBYTE))


@both_modes
@pytest.mark.parametrize(
    "body",
    [
        *map(given, [42, 0, True, None, "", [], ["abc"], {"id": "abc"}]),
        *map(given, ["a\r\nX-Evil: 1", "a\nb", "a\0b", "a\x1b[2J", "a b", "é", "\ud800", "a,b"]),
        given("x" * MEBIBYTE),
        b'{"data": {"call_id": "abc", "call_id": "a\\r\\nb"}}',
        b'{"data": {"call_id": NaN}}',
        b'{"data": NaN}',
        b'{"data": -Infinity, "call_id": "abc"}',
        b'{"data": {"call_id": %b}}' % (b"9" * 10_000),
        b'{"data": ' * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"data": {"call_id": "abc"}',
        b'{"data": {"call_id": "abc"}}}',
        b'{"data": {"call_id": "\xff\xfe"}}',
        b"[]",
        b"null",
        b'"abc"',
        b"<html>Bad gateway</html>",
        b"",
        gzip.compress(given("abc"), mtime=0),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_an_unusable_body_is_an_invalid_response_and_no_part_of_it_is_passed_on(
    call: Call, mode: Mode, body: bytes
) -> None:
    async with Scripted(answer(body), READY) as server:
        result = await stage(base(server), call, mode, MAX_BODY_BYTES)
    assert result.ended.outcome == "invalid_response"
    assert len(server.requests) == 1
    (decision,) = result.decisions
    assert isinstance(decision, Refusal)
    assert decision.cause == "invalid_response"
    assert len(decision.text) < 100
    assert decision.text.isprintable()


@both_modes
@pytest.mark.parametrize(
    "said",
    [
        answer(given("abc"), "200 OK"),
        answer(given("abc"), "202 Accepted"),
        answer(
            given("abc"), "201 Created", "Content-Encoding: identity", "Content-Type: text/html"
        ),
        answer(b'{"data": {"call_id": "abc"}, "error": {"message": "no", "status": 500}}'),
        answer(b'{"status": 500, "error": 7, "message": [], "data": {"call_id": "abc"}}'),
        answer(b'{"data": {"call_id": "a\\r\\nb", "call_id": "abc"}, "x": NaN}'),
        answer(b'\xef\xbb\xbf{"data": {"call_id": "abc"}}'),
        answer(b'{"data": {"call_id": "abc", "more": "%b"}}' % (b"x" * MEBIBYTE)),
    ],
    ids=lambda said: repr(said[:120]),
)
async def test_oddities_beside_a_usable_id_cost_no_call(
    call: Call, mode: Mode, said: bytes
) -> None:
    async with Scripted(said, READY) as server:
        result = await stage(base(server), call, mode, MAX_BODY_BYTES)
    (decision,) = result.decisions
    assert isinstance(decision, Forward)
    assert decision.staged_id == "abc"


@both_modes
@pytest.mark.parametrize(
    ("status", "told"), [("099 Early", 99), ("000 Nothing", 0), ("7 Seven", 0)]
)
async def test_a_status_below_100_is_an_invalid_response_at_once(
    call: Call, mode: Mode, status: str, told: int
) -> None:
    """It is of no class of RFC 9110 15: the caller must not wait for a final response."""
    async with Scripted(answer(given("abc"), status)) as server, asyncio.timeout(call.deadline / 2):
        result = await stage(base(server), call, mode)
    assert (result.ended.outcome, result.ended.http_status) == ("invalid_response", told)
    assert len(server.requests) == 1


@both_modes
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity"])
async def test_a_compressed_body_is_not_read(call: Call, mode: Mode, coding: str) -> None:
    said = answer(BOMB, "201 Created", f"Content-Encoding: {coding}")
    async with Scripted(said) as server:
        result = await stage(base(server), call, mode, MAX_BODY_BYTES)
    assert b"Accept-Encoding: identity\r\n" in server.requests[0]
    assert (result.ended.outcome, result.ended.http_status) == ("invalid_response", 201)
    assert "compressed" in result.ended.text


@both_modes
@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_a_redirect_does_not_take_the_key_elsewhere(
    call: Call, mode: Mode, status: int
) -> None:
    async with Scripted() as elsewhere:
        said = answer(b"", f"{status} Elsewhere", f"Location: {elsewhere.url}")
        async with Scripted(said, READY) as server:
            result = await stage(base(server), call, mode)
    assert (result.ended.outcome, result.ended.http_status) == ("refused", status)
    assert (len(server.requests), elsewhere.connections) == (1, 0)


@both_modes
@pytest.mark.parametrize("fault", get_args(Fault))
async def test_no_fault_of_the_api_leaves_anything_behind(
    fake: FakeApi, call: Call, mode: Mode, fault: Fault
) -> None:
    fake.default = Behaviour(fault=fault)
    decisions: list[Decision] = []
    async with RoundedApi(fake.url, SecretStr(KEY), connections=3, max_body_bytes=4096) as api:
        staging = ApiStager(api, lambda _: None, mode=mode, poll_interval_min=0.01)
        brief = call._replace(deadline=0.4)
        await asyncio.gather(*(staging.start_staging(brief, decisions.append) for _ in range(10)))
        await asyncio.sleep(0)
        assert (len(decisions), staging.waiting) == (10, 0)
        assert api.http.requests == {"active": 0, "queued": 0}
    while fake.stats.active:  # noqa: ASYNC110  # the test is that it ends
        await asyncio.sleep(0.005)


@both_modes
async def test_every_http_status_is_an_outcome(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode
) -> None:
    statuses = range(200, 600)
    result = Result()
    staging = ApiStager(client, result.events.append, mode=mode, retries=Retries(0))
    for status in statuses:
        fake.behaviours[f"+33612345{status}"] = Behaviour(status=status)
    numbers = (call._replace(to_number=f"+33612345{status}") for status in statuses)
    await asyncio.gather(*(staging.start_staging(one, result.decisions.append) for one in numbers))
    outcomes = {
        event.http_status: event.outcome
        for event in result.events
        if isinstance(event, StagingEnded)
    }
    assert (len(result.decisions), set(outcomes)) == (len(statuses), set(statuses))
    assert outcomes[201] == "staged"
    assert outcomes[408] == "timeout"
    rest = {status: word for status, word in outcomes.items() if status not in {201, 408}}
    assert {code: word for code, word in rest.items() if word != meaning(code)} == {}


def meaning(status: int) -> str:
    """Return the outcome of a response without a usable body."""
    if status < 300:
        return "invalid_response"
    return "busy" if status == 429 else "failed" if status >= 500 else "refused"


@both_modes
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 451, 500, 503, 599])
async def test_a_status_without_a_readable_body_is_enough(
    call: Call, mode: Mode, status: int
) -> None:
    no = answer(b"\xff\0<html>", f"{status} N\x01o")
    async with Scripted(no, no, no) as server:
        result = await stage(base(server), call, mode)
    assert (result.ended.outcome, result.ended.http_status) == (meaning(status), status)
    assert result.ended.text.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b'{"data": {"status": 42}}',
        b'{"data": {"status": null}}',
        b'{"data": {"status": ["staged"]}}',
        b'{"data": {}}',
        b'{"data": {"status": "sta',
        b"NaN",
        b"",
        b'{"data": ' * 10_000,
        b'{"data": {"status": "%b"}}' % (b"\\r\\n" * 1000),
        b'{"data": {"status": "staged", "transcript": "%b"}}' % (b"x" * 10 * 4096),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_a_poll_with_an_invalid_response_is_repeated(
    call: Call, body: bytes, deadlines: Deadlines
) -> None:
    async with Scripted(answer(given("abc")), answer(body, "200 OK"), b"") as server:
        staging = asyncio.create_task(stage(base(server), call, "async"))
        while len(server.requests) < 3:  # noqa: ASYNC110  # no event to wait for
            await asyncio.sleep(0.005)
        deadlines.pass_()
        assert (await staging).ended.outcome == "timeout"


async def test_a_few_invalid_poll_responses_cost_no_call(call: Call) -> None:
    said = answer(given("abc")), answer(b"{", "200 OK"), answer(b"", "500 Oh"), READY
    async with Scripted(*said) as server:
        (decision,) = (await stage(base(server), call, "async")).decisions
    assert isinstance(decision, Forward)
    assert len(server.requests) == 4


@both_modes
async def test_a_hanging_connect_ends_with_the_calls_deadline(
    call: Call, mode: Mode, deadlines: Deadlines
) -> None:
    with black_hole() as listener:
        staging = asyncio.create_task(stage(f"http://127.0.0.1:{port_of(listener)}", call, mode))
        await one_more_hangs(listener)
        waited = await short_wait()
        deadlines.pass_()
        ended = (await staging).ended
    assert (ended.outcome, set(ended.phases)) == ("timeout", {"connect"})
    assert ended.phases["connect"] >= waited


@both_modes
async def test_a_hanging_tls_handshake_ends_with_the_calls_deadline(
    call: Call, mode: Mode, deadlines: Deadlines
) -> None:
    async with silent_server() as (server, heard, _):
        staging = asyncio.create_task(stage(f"https://{server}", call, mode))
        await heard.wait()
        waited = await short_wait()
        deadlines.pass_()
        ended = (await staging).ended
    assert (ended.outcome, set(ended.phases)) == ("timeout", {"connect", "tls"})
    assert ended.phases["tls"] >= waited


@both_modes
async def test_a_slow_connect_costs_time_but_no_call(call: Call, mode: Mode) -> None:
    with black_hole() as listener:
        staging = asyncio.create_task(stage(f"http://127.0.0.1:{port_of(listener)}", call, mode))
        await one_more_hangs(listener)
        async with Scripted(answer(given("abc")), READY, listener=listener):
            result = await staging
    assert isinstance(result.decisions[0], Forward)
    assert result.ended.phases["connect"] >= 0.5  # the kernel's next SYN came after a second


@both_modes
@pytest.mark.parametrize("hours", [-5, 5])
async def test_a_retry_after_date_is_read_by_the_servers_own_wrong_clock(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode, hours: int
) -> None:
    theirs = time.time() + hours * 3600
    form = "%a, %d %b %Y %H:%M:%S GMT"
    dates = [time.strftime(form, time.gmtime(moment)) for moment in (theirs, theirs + 1)]
    fake.default = Behaviour(
        status=503, headers=dict(zip(["Date", "Retry-After"], dates, strict=True))
    )
    result = Result()

    def report(event: Event) -> None:
        result.events.append(event)
        if isinstance(event, StagingRetried):
            fake.default = Behaviour()

    await ApiStager(client, report, mode=mode).start_staging(call, result.decisions.append)
    assert isinstance(result.decisions[0], Forward)
    (retried,) = [event for event in result.events if isinstance(event, StagingRetried)]
    assert 1.0 <= retried.wait <= 1.5
    assert result.ended.phases["retry_wait"] >= 0.99


@both_modes
async def test_a_jump_of_our_clock_moves_no_deadline(
    fake: FakeApi, client: RoundedApi, call: Call, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = time.time
    days = itertools.cycle([-86400.0, 0.0, 86400.0])

    def jumping() -> float:
        return really() + next(days)

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(staging_client, "time", jumping)
    fake.default = Behaviour(delay=0.3, headers={"X-RateLimit-Remaining": "9"})
    result = Result()
    staging = ApiStager(
        client, result.events.append, mode=mode, poll_interval_min=0.05, poll_interval_max=0.05
    )
    await staging.start_staging(call, result.decisions.append)
    await staging.start_staging(call._replace(deadline=0.2), result.decisions.append)
    first, second = (event for event in result.events if isinstance(event, StagingEnded))
    assert (first.outcome, second.outcome) == ("staged", "timeout")
    assert 0.29 <= first.elapsed < 3600  # a loop's timers have steps of a millisecond
    assert 0.19 <= second.elapsed < 3600
