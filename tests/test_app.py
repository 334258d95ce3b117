from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NoReturn

import aiohttp
import pytest

from sip_stager.app import Application
from sip_stager.calls import flow_keepalives
from sip_stager.config import Settings, load
from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.number_list import number_record
from sip_stager.demo.fake_platform.server import FakeApi
from sip_stager.events import CallEnded, Event, StagingEnded, StagingWasted
from sip_stager.observability.dispatcher import handlers_of_all
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import parse
from tests.interop.ports import free_port
from tests.support.messages import request, response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from pathlib import Path

TIMEOUT = 20.0
AGENT = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29"
OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"


@pytest.fixture(autouse=True)
def garbage_collector() -> Iterator[None]:
    """Restore the garbage collector that the program has turned off."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


class Socket:
    """A datagram socket on loopback, of the caller or the upstream."""

    def __init__(self, port: int = 0) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(("127.0.0.1", port))
        self.port: int = self.socket.getsockname()[1]

    def send(self, data: bytes, port: int) -> None:
        self.socket.sendto(data, ("127.0.0.1", port))

    async def next(self) -> bytes:
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.socket, 65535), TIMEOUT)


class World:
    """The settings of a program, its caller and its upstream."""

    def __init__(self, folder: Path, api: str) -> None:
        self.folder = folder
        self.api = api
        self.upstream = Socket()
        self.caller = Socket()
        self.port = free_port()
        self.tcp_port = free_port()
        self.http_port = free_port()
        self.host = f"127.0.0.1:{self.upstream.port}"
        self.numbers_refresh_interval = 0.0
        self.more = ""
        self.drain = TIMEOUT
        self.unready_in_overload = "false"
        self.in_outage = "false"
        self.of_trunk = ""
        self.call_id = b""
        self.options = 0

    @property
    def trunk(self) -> str:
        known = 'name = "carrier", networks = ["127.0.0.0/8"]'
        return f"{known}, options_503 = {self.in_outage}{self.of_trunk}"

    @property
    def api_settings(self) -> str:
        refresh = f"numbers_refresh_interval = {self.numbers_refresh_interval}"
        return f'base_url = "{self.api}", deadline = {TIMEOUT}, {refresh}{self.more}'

    def call(self, number: str, call_id: str) -> None:
        """Send an INVITE; ``answer`` and ``passes`` are about the last one."""
        self.call_id = f"{call_id}@192.0.2.1".encode()
        via = f"SIP/2.0/UDP 127.0.0.1:{self.caller.port}"
        invite = bytes(request(uri=f"sip:{number}@edge", via=via, branch=f"z9hG4bK-{call_id}"))
        self.caller.send(invite.replace(b"call-1@192.0.2.1", self.call_id), self.port)

    async def ask(self) -> int:
        """Send OPTIONS, and return the status of the response."""
        self.options += 1
        self.call_id = b"ping-%d@192.0.2.1" % self.options
        via = f"SIP/2.0/UDP 127.0.0.1:{self.caller.port}"
        options = request("OPTIONS", "sip:edge", via=via, branch=f"z9hG4bK-ping{self.options}")
        options_bytes = bytes(options).replace(b"call-1@192.0.2.1", self.call_id)
        self.caller.send(options_bytes, self.port)
        return await self.answer()

    async def answer(self) -> int:
        """Return the status of the next response other than 100."""
        while True:
            heard = parse(await self.caller.next())
            assert isinstance(heard, Response)
            if heard.status != 100 and heard.call_id == self.call_id:
                return heard.status

    async def passes(self, status: int = 486) -> list[bytes]:
        """Reject the next INVITE upstream, and return its staged ids."""
        while True:
            invite = parse(await self.upstream.next())
            if isinstance(invite, Response) or invite.call_id != self.call_id:
                continue  # a retransmission, on a slow machine
            if invite.method == b"INVITE":
                self.upstream.send(bytes(response(invite, status)), self.port)
                assert await self.answer() == status
                return invite.values(b"x-rounded-call-id")

    def settings(self) -> Settings:
        file = self.folder / "s.toml"
        file.write_text(
            f"""
            http.port = {self.http_port}
            http.unready_in_overload = {self.unready_in_overload}
            http.unready_in_outage = {self.in_outage}
            limits = {{ drain_timeout = {self.drain} }}
            listeners = [
              {{ address = "127.0.0.1", port = {self.port} }},
              {{ address = "127.0.0.1", port = {self.tcp_port}, transport = "tcp" }},
            ]
            api = {{ {self.api_settings} }}
            upstream = {{ uri = "sip:{self.host}" }}
            trunks = [{{ {self.trunk} }}]
            numbers = [{{ number = "+33612345678", agent = "{AGENT}" }}]
            variables = {{ line = "${{called}} by ${{trunk}}" }}
            """
        )
        return load(file, {"ROUNDED_API_KEY": "demo-key"})


@pytest.fixture
async def api() -> AsyncIterator[FakeApi]:
    async with FakeApi() as fake:
        yield fake


@pytest.fixture
def world(tmp_path: Path, api: FakeApi) -> Iterator[World]:
    world = World(tmp_path, api.url)
    yield world
    world.upstream.socket.close()
    world.caller.socket.close()


@asynccontextmanager
async def running(world: World, events: list[Event] | None = None) -> AsyncIterator[Application]:
    observers = [] if events is None else [handlers_of_all(events.append)]
    application = Application(world.settings(), observers)
    try:
        assert await application.start() == []
        yield application
    finally:
        await application.stop()


async def fetched(world: World, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{world.http_port}{path}"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


def alive(application: Application) -> Mapping[str, int]:
    return {kind: number for kind, number in application.transactions.items() if number}


async def test_a_call_is_staged_and_forwarded_with_its_id(world: World, api: FakeApi) -> None:
    events: list[Event] = []
    async with running(world, events) as application:
        via = f"SIP/2.0/UDP 127.0.0.1:{world.caller.port}"
        world.caller.send(bytes(request(via=via)), world.port)
        trying = parse(await world.caller.next())
        assert isinstance(trying, Response)
        assert trying.status == 100
        invite = parse(await world.upstream.next())
        assert not isinstance(invite, Response)
        (staged,) = [event for event in events if isinstance(event, StagingEnded)]
        assert invite.values(b"x-rounded-call-id") == [staged.staged_id.encode()]
        assert api.last_request["agent_id"] == AGENT
        variables = api.last_request["dynamic_variables_values"]
        assert variables == {"line": "+33612345678 by carrier"}
        assert alive(application) == {"invite_server": 1, "invite_client": 1}
        world.upstream.send(bytes(response(invite, 200)), world.port)
        ok = parse(await world.caller.next())
        assert isinstance(ok, Response)
        assert ok.status == 200
        status, text = await fetched(world, "/metrics")
    assert status == 200
    assert 'outcome="staged"' in text
    assert 'sip_stager_transactions{kind="invite_server"} 1.0' in text
    assert "612345678" not in text
    (ended,) = [event for event in events if isinstance(event, CallEnded)]
    assert ended.outcome == "answered"


async def test_odd_messages_of_a_trunk_are_taken_or_answered(world: World) -> None:
    """RFC 3261 16.3, 21.5.7: over real sockets, and none of them is met with silence."""
    world.drain = 0.1
    via = f"SIP/2.0/UDP 127.0.0.1:{world.caller.port}"
    invite = bytes(request(uri="sip:+33612345678@edge", via=via, extra=("X Carrier Id 42",)))
    async with running(world):
        world.caller.send(invite.replace(b"\r\n", b"\n"), world.port)
        forwarded = await world.upstream.next()
        assert b"\r\nX Carrier Id 42\r\n" in forwarded
        assert b"\n" not in forwarded.replace(b"\r\n", b"")
        assert (await world.caller.next()).startswith(b"SIP/2.0 100 ")
        mixed = invite.replace(b"\r\nContact", b"\nContact").replace(b"alice-1", b"alice-2")
        world.caller.send(mixed, world.port)
        assert (await world.caller.next()).startswith(b"SIP/2.0 400 ")
        reader, writer = await asyncio.open_connection("127.0.0.1", world.tcp_port)
        large = bytes(request(uri="sip:+33612345678@edge", branch="z9hG4bK-3", body="x" * 70_000))
        options = bytes(request("OPTIONS", "sip:edge", branch="z9hG4bK-4"))
        writer.write(large + options)
        for status in (b"SIP/2.0 513 Message Too Large", b"SIP/2.0 200 OK"):
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)
            assert answer.startswith(status)
        writer.close()
        await writer.wait_closed()


async def test_the_program_is_ready_from_the_end_of_start_until_stop(world: World) -> None:
    application = Application(world.settings())
    assert application.ready() == (False, ("starting",))
    assert await application.start() == []
    assert application.ready() == (True, ())
    assert (await fetched(world, "/readyz"))[0] == 200
    assert (await fetched(world, "/healthz"))[0] == 200
    await application.stop()
    assert application.ready() == (False, ("stopping",))


@pytest.mark.parametrize(("unready", "status"), [("false", 200), ("true", 503)])
async def test_in_overload_the_program_is_not_ready_if_the_operator_wants_that(
    world: World, unready: str, status: int
) -> None:
    world.unready_in_overload = unready
    async with running(world) as application:
        for _ in range(2):
            application._observe_lag(1.0)
        assert application.ready()[0] == (status == 200)
        assert (await fetched(world, "/readyz"))[0] == status
        _, text = await fetched(world, "/metrics")
    assert 'sip_stager_overload_state{state="shedding"} 1.0' in text


async def states(world: World) -> tuple[int, int]:
    """Return the statuses of OPTIONS and of /readyz."""
    return await world.ask(), (await fetched(world, "/readyz"))[0]


@pytest.mark.parametrize(
    ("in_outage", "of_trunk", "expected"),
    [
        ("false", "", (200, 200)),
        ("true", "", (503, 503)),
        ("true", ', policy = { api_unreachable = "forward" }', (200, 200)),
    ],
)
async def test_while_the_breaker_refuses_calls_peers_hear_it_if_the_operator_wants_that(
    world: World, api: FakeApi, in_outage: str, of_trunk: str, expected: tuple[int, int]
) -> None:
    world.in_outage, world.of_trunk = in_outage, of_trunk
    world.more = ", breaker_min_calls = 1, retries = 0, breaker_open_time = 60.0"
    api.default = Behaviour(status=500)
    async with running(world), answering(world.upstream):
        assert await states(world) == (200, 200)
        world.call("+33612345678", "fails")
        assert await world.answer() == (404 if of_trunk else 480)
        assert await states(world) == expected


@asynccontextmanager
async def answering(upstream: Socket) -> AsyncIterator[None]:
    """Answer every request at an upstream: OPTIONS with 200, others with 404."""

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, source = await loop.sock_recvfrom(upstream.socket, 65535)
            asked = parse(data)
            assert isinstance(asked, Request)
            if asked.method != b"ACK":
                status = 200 if asked.method == b"OPTIONS" else 404
                upstream.socket.sendto(bytes(response(asked, status)), source)

    task = asyncio.create_task(serve())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def become(world: World, expected: tuple[int, int]) -> None:
    """Wait until OPTIONS and /readyz get these statuses."""
    async with asyncio.timeout(TIMEOUT):
        reached = False
        while not reached:
            reached = await states(world) == expected


@pytest.mark.parametrize("in_outage", ["false", "true"])
async def test_while_no_upstream_answers_peers_hear_it_if_the_operator_wants_that(
    world: World, monkeypatch: pytest.MonkeyPatch, in_outage: str
) -> None:
    monkeypatch.setattr("sip_stager.transport.upstream_watch.PING_INTERVAL", 0.05)
    world.in_outage = in_outage
    port = world.upstream.port
    async with running(world):
        async with answering(world.upstream):
            await asyncio.sleep(0.2)
            assert await states(world) == (200, 200)
        world.upstream.socket.close()
        await become(world, (503, 503) if in_outage == "true" else (200, 200))
        world.upstream = Socket(port)
        async with answering(world.upstream):
            await become(world, (200, 200))


async def ringing(world: World) -> Request:
    """Place a call that rings upstream, and return its INVITE there."""
    world.call("+33612345678", "ringing")
    invite = parse(await world.upstream.next())
    assert isinstance(invite, Request)
    world.upstream.send(bytes(response(invite, 180)), world.port)
    assert await world.answer() == 180
    return invite


async def test_a_call_that_rings_during_the_stop_is_still_answered(world: World) -> None:
    async with running(world) as application:
        invite = await ringing(world)
        stopping = asyncio.create_task(application.stop())
        await asyncio.sleep(0)
        assert not application.ready()[0]
        world.upstream.send(bytes(response(invite, 200)), world.port)
        assert await world.answer() == 200
        await stopping


async def test_a_second_stop_ends_a_call_that_still_rings(world: World) -> None:
    world.drain = 600.0
    async with running(world) as application:
        await ringing(world)
        again = asyncio.Event()
        stopping = asyncio.create_task(application.stop(again))
        await asyncio.sleep(0)
        assert not application.ready()[0]
        again.set()
        assert await world.answer() == 503
        assert (await world.upstream.next()).startswith(b"CANCEL ")
        await stopping


@pytest.mark.parametrize(("index", "transport"), [(0, "udp"), (1, "tcp")])
async def test_a_sip_port_in_use_is_an_error_and_the_other_ports_are_freed(
    world: World, index: int, transport: str
) -> None:
    port = (world.port, world.tcp_port)[index]
    kind = (socket.SOCK_DGRAM, socket.SOCK_STREAM)[index]
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", port))
        if transport == "tcp":
            taken.listen()
        application = Application(world.settings())
        expected = (
            rf"listeners\[{index}\] \({transport}\): .*{port}: Address already in use; stop the"
        )
        with pytest.raises(OSError, match=expected):
            await application.start()
        assert not application.ready()[0]
        await application.stop()
    async with running(world):
        pass


async def test_an_http_port_in_use_is_an_error(world: World) -> None:
    settings = world.settings()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.http.port))
        taken.listen()
        application = Application(settings)
        expected = (
            rf"\[http\]: .*127.0.0.1 port {settings.http.port}: Address already in use; stop the"
        )
        with pytest.raises(OSError, match=expected):
            await application.start()
        await application.stop()


async def test_all_ports_in_use_are_in_one_error(world: World) -> None:
    settings = world.settings()
    with socket.socket() as http, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip:
        http.bind(("127.0.0.1", settings.http.port))
        sip.bind(("127.0.0.1", world.port))
        http.listen()
        application = Application(settings)
        with pytest.raises(OSError, match=r"\[http\]: .*\nlisteners\[0\] \(udp\): .*$"):
            await application.start()
        await application.stop()


async def test_an_api_that_is_down_is_a_warning_and_calls_are_taken(world: World) -> None:
    world.api = f"http://127.0.0.1:{free_port()}"
    application = Application(world.settings())
    (warning,) = await application.start()
    assert warning.startswith(f"the API at {world.api}")
    assert application.ready()[0]
    via = f"SIP/2.0/UDP 127.0.0.1:{world.caller.port}"
    world.caller.send(bytes(request(via=via)), world.port)
    answers = [parse(await world.caller.next()) for _ in range(2)]
    assert [answer.status for answer in answers if isinstance(answer, Response)] == [100, 480]
    await application.stop()


async def test_an_api_that_rejects_the_key_is_a_warning(world: World, api: FakeApi) -> None:
    api.key = "another"
    application = Application(world.settings())
    (warning,) = await application.start()
    assert "401" in warning
    assert "demo-key" not in warning
    await application.stop()


async def test_an_upstream_without_an_address_is_a_warning(world: World) -> None:
    world.host = "no-such-host.invalid"
    application = Application(world.settings())
    (warning,) = await application.start()
    assert "no-such-host.invalid has no address" in warning
    await application.stop()


async def test_stop_frees_every_port(world: World) -> None:
    for _ in range(2):
        async with running(world):
            pass


async def test_a_call_that_is_being_staged_as_the_program_stops_is_still_answered(
    world: World, api: FakeApi
) -> None:
    api.default = api.default.model_copy(update={"delay": 0.3})
    async with running(world) as application:
        world.call("+33612345678", "staging")
        assert parse(await world.caller.next()).call_id == world.call_id
        stopping = asyncio.create_task(application.stop())
        assert len(await world.passes()) == 1
        await stopping


async def test_calls_that_are_being_staged_after_the_drain_end_with_the_program(
    world: World, api: FakeApi
) -> None:
    world.drain = 0.1
    api.default = api.default.model_copy(update={"delay": 60.0})
    events: list[Event] = []
    async with running(world, events) as application:
        via = f"SIP/2.0/UDP 127.0.0.1:{world.caller.port}"
        world.caller.send(bytes(request(via=via)), world.port)
        await world.caller.next()
        async with asyncio.timeout(TIMEOUT):
            while not api.stats.stage_requests:  # noqa: ASYNC110  the fake has no event for it
                await asyncio.sleep(0.001)
        assert alive(application) == {"invite_server": 1}
    async with asyncio.timeout(TIMEOUT):
        while not api.stats.aborted:  # noqa: ASYNC110  the fake has no event for it
            await asyncio.sleep(0.001)
    assert [event for event in events if isinstance(event, StagingEnded)]
    assert (await world.caller.next()).startswith(b"SIP/2.0 503 Service Unavailable\r\n")


async def test_a_number_of_the_platform_is_staged_until_it_leaves_the_list(
    world: World, api: FakeApi
) -> None:
    kept, gone, moved = "+33612345670", "+33612345671", "+33612345672"
    world.numbers_refresh_interval = 0.05
    api.phone_numbers.items = [
        number_record(kept, OTHER),
        number_record(gone, OTHER),
        number_record("+33612345678", OTHER),
        number_record(moved, None, redirect=True, redirect_phone_number="+33912345678"),
    ]
    async with running(world) as application:
        world.call(gone, "one")
        assert len(await world.passes()) == 1
        assert (api.last_request["agent_id"], api.last_request["to_number"]) == (OTHER, gone)
        world.call("+33612345678", "two")  # the settings have it, too, and win
        assert len(await world.passes()) == 1
        assert api.last_request["agent_id"] == AGENT
        staged = api.stats.stage_requests
        world.call(moved, "three")
        assert await world.passes() == []
        assert api.stats.stage_requests == staged
        _, text = await fetched(world, "/metrics")
        api.phone_numbers.items = [number_record(kept, AGENT)]
        await until(lambda: len(application._live.mapping.platform) == 1)
        world.call(gone, "four")
        assert await world.answer() == 404
        world.call(kept, "five")
        assert len(await world.passes()) == 1
        assert api.last_request["agent_id"] == AGENT
    assert 'sip_stager_numbers{source="platform"} 4.0' in text
    assert 'sip_stager_platform_numbers{use="redirected"} 1.0' in text
    assert 'sip_stager_numbers_refreshes_total{outcome="refreshed"}' in text
    assert "sip_stager_numbers_refreshed_timestamp_seconds " in text
    assert "612345" not in text


async def test_a_key_that_may_not_read_the_numbers_is_a_warning_and_calls_are_taken(
    world: World, api: FakeApi
) -> None:
    world.numbers_refresh_interval = 300.0
    api.behaviours["phone_numbers"] = Behaviour(status=403, message="not with this key")
    application = Application(world.settings())
    (warning,) = await application.start()
    assert warning.startswith("the platform's numbers could not be fetched: HTTP 403: not with")
    assert application.ready()[0]
    world.call("+33612345678", "one")
    assert len(await world.passes()) == 1
    world.call("+33612345679", "two")
    assert await world.answer() == 404
    _, text = await fetched(world, "/metrics")
    await application.stop()
    assert 'sip_stager_numbers_refreshes_total{outcome="refused"} 1.0' in text


async def test_agents_of_the_platforms_numbers_declare_the_types_of_variables(
    world: World, api: FakeApi
) -> None:
    world.numbers_refresh_interval = 300.0
    api.behaviours[OTHER] = Behaviour(variables={"line": "number"})
    api.phone_numbers.items = [number_record("+33612345670", OTHER)]
    async with running(world) as application:
        await until(lambda: application._agents.states["known"] == 2)
        world.call("+33612345670", "one")
        assert len(await world.passes()) == 1
        assert "dynamic_variables_values" not in api.last_request  # the line is not a number


async def test_labels_that_hang_hold_no_connection_of_calls(
    world: World, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[str] = []

    async def hang(staged_id: str, _: object) -> NoReturn:
        labels.append(staged_id)
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(api, "_label", hang)
    world.more = ", label = true, connections = 1, warm_connections = 1"
    async with running(world):
        for name in ("one", "two"):
            world.call("+33612345678", name)
            assert len(await world.passes()) == 1
        await until(lambda: len(labels) == 2)


async def test_reserved_calls_are_terminated_at_the_stop(world: World, api: FakeApi) -> None:
    world.more = ", terminate_wasted = true"
    events: list[Event] = []
    async with running(world, events):
        world.call("+33612345678", "one")
        [staged_id] = await world.passes(407)
        assert api.stats.terminations == 0
    assert api.calls[staged_id.decode()].terminated
    assert [event for event in events if isinstance(event, StagingWasted)]


async def until(fact: Callable[[], object]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not fact():  # noqa: ASYNC110  nothing signals it
            await asyncio.sleep(0.005)


async def test_an_agent_hangs_up_on_a_caller_who_listens_nowhere(world: World) -> None:
    """RFC 3261 18: on the open connection that the caller's Contact names, their own end of it."""
    async with running(world):
        reader, writer = await asyncio.open_connection("127.0.0.1", world.tcp_port)
        own = f"127.0.0.1:{writer.get_extra_info('sockname')[1]}"
        contact = f"sip:alice@{own};transport=tcp"
        invite = bytes(request(via=f"SIP/2.0/TCP {own}"))
        writer.write(invite.replace(b"sip:alice@192.0.2.1", contact.encode()))
        forwarded = parse(await world.upstream.next())
        assert isinstance(forwarded, Request)
        world.upstream.send(bytes(response(forwarded, 200)), world.port)
        while not (await next_head(reader)).startswith(b"SIP/2.0 200"):
            pass
        routes = [f"Route: {value.decode()}" for value in forwarded.values(b"record-route")]
        bye = "\r\n".join([
            f"BYE {contact} SIP/2.0",
            f"Via: SIP/2.0/UDP 127.0.0.1:{world.upstream.port};branch=z9hG4bK-bye",
            *routes,
            "From: <sip:+33612345678@198.51.100.1>;tag=bob",
            "To: <sip:+33912345678@192.0.2.1>;tag=alice",
            "Call-ID: call-1@192.0.2.1",
            "CSeq: 1 BYE",
            "Content-Length: 0",
            "\r\n",
        ])  # fmt: skip
        world.upstream.send(bye.encode(), world.port)
        while not (received := await next_head(reader)).startswith(b"BYE "):
            pass
        ended = parse(received)
        assert isinstance(ended, Request)
        writer.write(bytes(response(ended, 200)))
        while not (await world.upstream.next()).startswith(b"SIP/2.0 200"):
            pass
        writer.close()


async def next_head(reader: asyncio.StreamReader) -> bytes:
    """Return the next message of a connection; none has a body."""
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT)


@pytest.mark.parametrize("nat", ["", ", nat = true"])
async def test_an_agent_hangs_up_on_a_caller_behind_a_nat(
    world: World, nat: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5626 5.3: the BYE goes to the source of the INVITE, not to the private Contact."""
    monkeypatch.setattr(flow_keepalives, "KEEPALIVE_INTERVAL", 0.2)
    world.of_trunk = nat
    async with running(world):
        rport = "" if nat else ";rport"
        invite = bytes(request(via=f"SIP/2.0/UDP 10.9.8.7:5060{rport}"))
        contact = b"sip:alice@10.9.8.7:5060"
        world.caller.send(invite.replace(b"sip:alice@192.0.2.1", contact), world.port)
        forwarded = parse(await world.upstream.next())
        assert isinstance(forwarded, Request)
        assert forwarded.first(b"contact") == b"<" + contact + b">"
        world.upstream.send(bytes(response(forwarded, 200)), world.port)
        while not (await world.caller.next()).startswith(b"SIP/2.0 200"):
            pass
        assert await world.caller.next() == flow_keepalives.KEEPALIVE
        [route] = forwarded.values(b"record-route")
        bye = bytes(request("BYE", contact.decode(), to_tag="alice", branch="z9hG4bK-bye"))
        own = f"127.0.0.1:{world.upstream.port}"
        for before, after in (
            (b"192.0.2.1:5060", own.encode()),
            (b";tag=alice\r\nTo", b";tag=bob\r\nTo"),
            (b"Max-Forwards", b"Route: " + route + b"\r\nMax-Forwards"),
        ):
            assert before in bye
            bye = bye.replace(before, after)
        world.upstream.send(bye, world.port)
        while not (received := await world.caller.next()).startswith(b"BYE "):
            pass
        ended = parse(received)
        assert isinstance(ended, Request)
        world.caller.send(bytes(response(ended, 200)), world.port)
        while not (await world.upstream.next()).startswith(b"SIP/2.0 200"):
            pass
