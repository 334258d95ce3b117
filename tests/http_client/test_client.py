from __future__ import annotations

import asyncio
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.http_client import Client, HttpResponse, Priority, Rejected
from sip_stager.platform.api import RoundedApi
from sip_stager.platform.outcome import ApiUnreachable, Staged
from tests.support.black_hole import black_hole, one_more_hangs, port_of, short_wait, silent_server
from tests.support.needed import need_ipv6
from tests.support.scripted_api import Scripted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sip_stager.model.call import Call

KEY = "key-that-nobody-may-see"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def client_at(url: str) -> Client:
    return Client(url, fields={"X-Api-Key": KEY}, connections=2, max_body_bytes=64)


@pytest.mark.parametrize("path", ["", "/", "/base/"])
async def test_a_request_has_the_clients_fields_and_our_framing(path: str) -> None:
    fields = {"x-api-key": "another", "Content-Type": "text/plain", "Connection": "close"}
    async with Scripted(OK, OK) as server:
        client = client_at(f"http://127.0.0.1:{server.port}{path}")
        post, get = client.prepare("POST", "/a?b=c", fields), client.prepare("GET", "/a?b=c")
        assert isinstance(await client.exchange(post, b"{}", {}), HttpResponse)
        assert isinstance(await client.exchange(get, b"", {}), HttpResponse)
        await client.aclose()
    target = path.rstrip("/").encode() + b"/a?b=c HTTP/1.1\r\n"
    host = b"Host: 127.0.0.1:%d\r\n" % server.port
    assert server.requests == [
        b"POST " + target + host + b"X-Api-Key: " + KEY.encode() + b"\r\n"
        b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
        b"GET " + target + host + b"X-Api-Key: " + KEY.encode() + b"\r\n\r\n",
    ]


@pytest.mark.parametrize(
    ("url", "start"),
    [
        ("https://API.example:443/a b/%20", b"GET /a%20b/%20/x HTTP/1.1\r\nHost: api.example\r\n"),
        ("http://api.example:443", b"GET /x HTTP/1.1\r\nHost: api.example:443\r\n"),
        ("http://[2001:DB8::1]:80", b"GET /x HTTP/1.1\r\nHost: [2001:db8::1]\r\n"),
    ],
)
async def test_the_base_url_becomes_the_path_and_the_host(url: str, start: bytes) -> None:
    assert client_at(url).prepare("GET", "/x").with_body(b"").startswith(start)


@pytest.mark.parametrize(
    ("method", "target", "fields"),
    [
        ("GET", "/", {"A": "b\r\nC: d"}),
        ("GET", "/", {"A\nB": "c"}),
        ("GET", "/ HTTP/1.1\r\nA: b", {}),
        ("GET\r\n", "/", {}),
        ("GET", "/\0", {}),
    ],
)
async def test_a_head_with_a_line_break_is_not_made(
    method: str, target: str, fields: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="a line break in a request's head"):
        client_at("http://127.0.0.1:1").prepare(method, target, fields)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1:1", "127.0.0.1", "http:///a", ""])
async def test_only_http_is_spoken(url: str) -> None:
    with pytest.raises(ValueError, match="begins with http:// or https://"):
        client_at(url)


async def test_no_object_of_the_client_shows_its_fields() -> None:
    async with Scripted(
        b"HTTP/1.1 200 OK\r\nA: %b\r\nContent-Length: 0\r\n\r\n" % KEY.encode()
    ) as server:
        client = client_at(f"http://127.0.0.1:{server.port}")
        head = client.prepare("GET", "/")
        response = await client.exchange(head, b"", {})
        await client.aclose()
    assert KEY.encode() in head.with_body(b"")
    assert KEY not in f"{client!r}{head!r}{response!r}"


async def test_active_and_queued_requests_are_counted() -> None:
    async with Scripted(b"") as server:
        client = client_at(f"http://127.0.0.1:{server.port}")
        head = client.prepare("GET", "/")
        assert client.requests == {"active": 0, "queued": 0}
        tasks = [asyncio.create_task(client.exchange(head, b"", {})) for _ in range(3)]
        await server.received.wait()
        assert client.requests == {"active": 2, "queued": 1}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert client.requests == {"active": 0, "queued": 0}
        await client.aclose()


async def test_waiting_requests_of_normal_priority_alone_are_rejected() -> None:
    async with Scripted(b"") as server:
        client = client_at(f"http://127.0.0.1:{server.port}")
        head = client.prepare("GET", "/")
        busy = [asyncio.create_task(client.exchange(head, b"", {})) for _ in range(2)]
        await server.received.wait()
        waiting = [
            asyncio.create_task(client.exchange(head, b"", {}, priority)) for priority in Priority
        ]
        await asyncio.sleep(0)
        client.reject_waiting()
        assert await waiting[Priority.NORMAL] == Rejected()
        assert client.requests == {"active": 2, "queued": 2}
        for task in (*busy, *waiting):
            task.cancel()
        await asyncio.wait((*busy, *waiting))
        await client.aclose()


@pytest.mark.usefixtures("noticed_at_once")
async def test_a_server_that_closes_after_each_answer_costs_no_call(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    fake.default = Behaviour(fault="close_after")
    for _ in range(50):
        assert isinstance(await client.stage(call, {}, sync=True), Staged)
    assert fake.stats.stage_requests == 50


@pytest.fixture
async def crossing() -> AsyncIterator[str]:
    """A server whose every connection closes just as the second request comes in."""
    body = b'{"data": {"call_id": "abc", "status": "staged"}}'
    answer = b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(answer)
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.usefixtures("noticed_at_once")
async def test_a_pooled_connection_that_closes_as_the_request_leaves_costs_no_call(
    crossing: str, call: Call
) -> None:
    async with RoundedApi(crossing, SecretStr(KEY)) as client:
        await asyncio.gather(*(client.stage(call, {}, sync=True) for _ in range(5)))
        for _ in range(10):
            assert await client.stage(call, {}, sync=True) == Staged("abc")


async def test_a_request_that_the_server_was_working_on_is_not_sent_again(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    await client.warm(1)
    fake.default = Behaviour(delay=0.1, fault="hang_up")
    outcome = await client.stage(call, {}, sync=True)
    assert outcome == ApiUnreachable("the connection was closed before any answer")
    assert fake.stats.stage_requests == 1


@pytest.mark.usefixtures("noticed_at_once")
async def test_a_request_is_sent_again_once_at_most(
    fake: FakeApi, client: RoundedApi, call: Call
) -> None:
    await client.warm(1)
    fake.default = Behaviour(fault="reset")
    assert isinstance(await client.stage(call, {}, sync=True), ApiUnreachable)
    assert fake.stats.stage_requests == 2


@pytest.mark.parametrize(
    ("base_url", "words"),
    [
        ("http://127.0.0.1:1", "cannot connect to 127.0.0.1 port 1: connection refused"),
        ("http://nowhere.invalid", "the name nowhere.invalid cannot be resolved"),
        (f"http://{'a' * 64}.invalid", f"the name {'a' * 64}.invalid cannot be resolved"),
    ],
)
async def test_an_api_without_a_server_is_unreachable(
    base_url: str, words: str, call: Call
) -> None:
    async with RoundedApi(base_url, SecretStr(KEY)) as client:
        assert await client.stage(call, {}, sync=True) == ApiUnreachable(words, sent=False)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"220 mail.example.net ESMTP\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 201 Created\r\nConten", "the connection was closed within the answer"),
    ],
)
async def test_a_server_that_speaks_something_else_is_unreachable(
    sent: bytes, words: str, call: Call
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(sent)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with RoundedApi(f"http://127.0.0.1:{port}", SecretStr(KEY)) as client:
            outcome = await client.stage(call, {}, sync=True)
    assert outcome == ApiUnreachable(words, answered=True)


async def test_a_connection_that_is_never_accepted_ends_with_the_deadline(
    call: Call,
) -> None:
    phases: dict[str, float] = {}
    with black_hole() as listener:
        url = f"http://127.0.0.1:{port_of(listener)}"
        async with RoundedApi(url, SecretStr(KEY)) as client:
            asking = asyncio.create_task(client.stage(call, phases, sync=True))
            await one_more_hangs(listener)
            waited = await short_wait()
            asking.cancel()  # as a deadline does
            await asyncio.wait([asking])
    assert set(phases) == {"connect"}
    assert phases["connect"] >= waited


async def test_an_api_with_a_self_signed_certificate_is_unreachable(
    tmp_path: Path, call: Call
) -> None:
    tls, _ = _self_signed(tmp_path)
    fake = FakeApi(key=KEY)
    await fake.serve(tls=tls)
    async with RoundedApi(fake.url, SecretStr(KEY)) as client:
        outcome = await client.stage(call, {}, sync=True)
    await fake.close()
    words = "the TLS certificate of 127.0.0.1 is not valid: self-signed certificate"
    assert outcome == ApiUnreachable(words, sent=False)
    assert fake.stats.requests == 0


async def test_a_certificate_that_the_context_trusts_is_accepted(
    tmp_path: Path, call: Call
) -> None:
    tls, certificate = _self_signed(tmp_path)
    fake = FakeApi(key=KEY)
    await fake.serve(tls=tls)
    trust = ssl.create_default_context(cafile=certificate)
    async with RoundedApi(fake.url, SecretStr(KEY), tls=trust) as client:
        outcome = await client.stage(call, {}, sync=True)
    await fake.close()
    assert isinstance(outcome, Staged)


async def test_a_server_without_tls_is_unreachable(fake: FakeApi, call: Call) -> None:
    port = fake.url.rpartition(":")[2]
    async with RoundedApi(f"https://127.0.0.1:{port}", SecretStr(KEY)) as client:
        outcome = await client.stage(call, {}, sync=True)
    assert isinstance(outcome, ApiUnreachable)
    assert outcome.text.startswith(f"no TLS with 127.0.0.1 port {port}: ")


async def test_a_handshake_that_hangs_ends_with_the_deadline(call: Call) -> None:
    phases: dict[str, float] = {}
    async with (
        silent_server() as (server, heard, ended),
        RoundedApi(f"https://{server}", SecretStr(KEY)) as client,
    ):
        asking = asyncio.create_task(client.stage(call, phases, sync=True))
        await heard.wait()
        waited = await short_wait()
        asking.cancel()  # as a deadline does
        await ended.wait()
    assert phases["tls"] >= waited


async def test_a_base_url_may_have_an_ipv6_address(call: Call) -> None:
    need_ipv6()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"}"))
        writer.write(b'HTTP/1.0 201 Created\r\n\r\n{"data": {"call_id": "abc"}}')
        writer.close()

    seen: list[bytes] = []
    async with await asyncio.start_server(serve, "::1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with RoundedApi(f"http://[::1]:{port}", SecretStr(KEY)) as client:
            assert await client.stage(call, {}, sync=True) == Staged("abc")
    assert b"Host: [::1]:%d\r\n" % port in seen[0]


def _self_signed(directory: Path) -> tuple[ssl.SSLContext, Path]:
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        " -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout"
    )
    subprocess.run(
        [*command.split(), str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return context, certificate


async def test_a_proxy_of_the_environment_is_not_used(
    client: RoundedApi, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(await client.stage(call, {}, sync=True), Staged)


async def test_cookies_are_not_kept(call: Call) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            seen.append(await reader.readuntil(b"}"))
            body = b'{"data": {"call_id": "abc"}}'
            head = b"HTTP/1.1 201 Created\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 28\r\n\r\n"
            writer.write(head + body)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        base_url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        async with RoundedApi(base_url, SecretStr(KEY)) as client:
            for _ in range(2):
                assert await client.stage(call, {}, sync=True) == Staged("abc")
    assert len(seen) == 2
    assert b"cookie" not in b"".join(seen).lower()
