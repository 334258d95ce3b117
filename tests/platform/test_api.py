from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour, Fault
from sip_stager.platform.agent import AgentRecord
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.outcome import ApiUnreachable, InvalidResponse, Refused, Staged, TimedOut
from tests.support.scripted_api import Scripted, answer

if TYPE_CHECKING:
    from sip_stager.demo.fake_platform.server import FakeApi
    from sip_stager.model.call import Call, Value

KEY = "key-that-nobody-may-see"


@pytest.mark.parametrize("sync", [True, False])
async def test_a_call_is_staged_with_the_documented_fields_and_no_others(
    fake: FakeApi, client: RoundedApi, call: Call, *, sync: bool
) -> None:
    phases: dict[str, float] = {}
    staged = await client.stage(call, phases, sync=sync)
    assert isinstance(staged, Staged)
    assert fake.last_request == {
        "from_number": call.from_number,
        "to_number": call.to_number,
        "agent_id": call.agent_id,
    }
    assert set(phases) == {"connect", "request"}
    assert await client.status(staged.staged_id, {}) == "staged"


async def test_variables_are_sent_if_there_are_any(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    variables: dict[str, Value] = {"customer": 'Zoë "Z"\n', "vip": True, "age": 42, "score": 0.5}
    assert isinstance(await client.stage(call._replace(variables=variables), {}, sync=True), Staged)
    assert fake.last_request["dynamic_variables_values"] == variables


async def test_a_request_asks_for_json_that_is_not_compressed(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    await client.stage(call, {}, sync=True)
    sent = fake.last_headers
    assert (sent["X-Api-Key"], sent["Content-Type"]) == (KEY, "application/json")
    assert (sent["Accept"], sent["Accept-Encoding"]) == ("application/json", "identity")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("bare", [True, False])
async def test_an_error_is_a_refusal_with_the_apis_own_text(
    fake: FakeApi, client: RoundedApi, call: Call, status: int, *, bare: bool
) -> None:
    fake.default = Behaviour(status=status, bare=bare, message="no\r\nway", retry_after="9")
    assert await client.stage(call, {}, sync=True) == Refused(status, r"no\r\nway", 9)


async def test_an_error_without_a_name_or_a_text_gets_one_of_ours(call: Call) -> None:
    async with (
        Scripted(b"HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n") as server,
        RoundedApi(f"http://127.0.0.1:{server.port}", SecretStr(KEY)) as client,
    ):
        outcome = await client.stage(call, {}, sync=True)
    assert outcome == Refused(599, "the API gave no reason")


async def test_an_api_that_gave_up_has_timed_out(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=408, message="took too long")
    outcome = await client.stage(call, {}, sync=True)
    assert outcome == TimedOut("the API gave up: took too long", 408)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("truncated_json", "not JSON"),
        ("wrong_types", "not JSON with an object as data"),
        ("no_call_id", "no usable call_id"),
        ("numeric_call_id", "no usable call_id"),
        ("crlf_call_id", "no usable call_id"),
        ("oversized", "over 4096 bytes"),
        ("compressed", "compressed"),
    ],
)
async def test_a_success_without_a_usable_id_is_an_invalid_response(
    fake: FakeApi, client: RoundedApi, call: Call, fault: Fault, words: str
) -> None:
    fake.default = Behaviour(fault=fault)
    outcome = await client.stage(call, {}, sync=True)
    assert isinstance(outcome, InvalidResponse)
    assert words in outcome.text
    assert outcome.http_status == 201


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("reset", "broke before any answer: connection reset by peer"),
        ("hang_up", "was closed before any answer"),
        ("truncated_body", "was closed within the answer"),
    ],
)
async def test_a_broken_connection_is_unreachable(
    fake: FakeApi, client: RoundedApi, call: Call, fault: Fault, words: str
) -> None:
    fake.default = Behaviour(fault=fault)
    outcome = await client.stage(call, {}, sync=True)
    began = fault == "truncated_body"
    assert outcome == ApiUnreachable(f"the connection {words}", answered=began)
    assert fake.stats.stage_requests == 1


async def test_a_redirect_is_not_followed(fake: FakeApi, client: RoundedApi, call: Call) -> None:
    fake.default = Behaviour(fault="redirect")
    outcome = await client.stage(call, {}, sync=True)
    assert isinstance(outcome, Refused)
    assert outcome.http_status == 302
    assert "api.base_url" in outcome.text
    assert fake.stats.requests == 1


async def test_the_key_is_masked_where_the_api_repeats_it(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(status=401, message=f"Invalid API key {KEY}")
    outcome = await client.stage(call, {}, sync=True)
    assert outcome == Refused(401, "Invalid API key ***")


async def test_an_agent_is_fetched_with_its_name_version_and_language(
    client: RoundedApi, call: Call
) -> None:
    assert await client.agent(call.agent_id) == AgentRecord("Agent 411b82c8", "3", "fr-FR", {})


async def test_an_agent_is_fetched_with_the_variables_it_declares(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(variables={"vip": "boolean", "born": "date"})
    agent = await client.agent(call.agent_id, 2)
    assert agent == AgentRecord("Agent 411b82c8", "2", "fr-FR", {"vip": "boolean", "born": "date"})
    assert await client.agent(call.agent_id, 4) == Refused(404, "Agent not found")


async def test_an_unknown_agent_is_a_refusal(client: RoundedApi) -> None:
    assert await client.agent("nobody") == Refused(404, "Agent not found")


async def test_the_status_of_an_unknown_call_is_a_refusal(client: RoundedApi) -> None:
    assert await client.status("nothing", {}) == Refused(404, "Not found")


async def test_warming_opens_all_connections_at_the_same_time(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    assert await client.warm(4) == ()
    assert fake.stats.connections == 4
    phases: dict[str, float] = {}
    await client.stage(call, phases, sync=True)
    assert set(phases) == {"request"}


async def test_warming_reports_a_key_that_is_refused(fake: FakeApi, client: RoundedApi) -> None:
    fake.key = "another"
    assert await client.warm(2) == ("HTTP 401: Invalid API key",)


@pytest.mark.parametrize("status", [b"", b'"status": 1'])
async def test_a_call_without_a_status_is_an_invalid_response(status: bytes) -> None:
    async with (
        Scripted(answer(b'{"data": {%b}}' % status, "200 OK")) as server,
        RoundedApi(f"http://127.0.0.1:{server.port}", SecretStr(KEY)) as client,
    ):
        outcome = await client.status("abc", {})
    assert outcome == InvalidResponse("the API's answer has no status", 200)


async def test_a_call_is_labelled_and_ended_with_the_documented_requests() -> None:
    done = answer(b'{"data": {}}', "200 OK")
    async with (
        Scripted(done, done) as server,
        RoundedApi(f"http://127.0.0.1:{server.port}/base/", SecretStr(KEY)) as client,
    ):
        assert await client.label("abc", {"trunk": "paris"}) is None
        assert await client.terminate("abc") is None
    label, terminate = server.requests
    assert label.startswith(b"PATCH /base/v1/calls/abc HTTP/1.1\r\n")
    assert label.endswith(b'\r\n\r\n{"metadata": {"trunk": "paris"}, "override": false}')
    assert b"Content-Type: application/json\r\n" in label
    assert terminate.startswith(b"POST /base/v1/calls/abc/terminate HTTP/1.1\r\n")
    assert terminate.endswith(b"\r\nContent-Length: 0\r\n\r\n")
    assert b"Content-Type" not in terminate
