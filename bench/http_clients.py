"""The cost of an HTTP request by client, and whether cancelling closes it.

``python -m bench.http_clients`` holds a hundred requests open at a time against the built-in fake
API, which runs in another process and answers after 50 ms.  The rounds of the clients are
interleaved, so that other work on the machine is unfair to all of them; the best round of each is
printed.  ``--json FILE`` writes the figures.

Then each client sends five requests to a server that never answers, and cancels them: the last
column is how many of them the server saw closed within a second.

``httpx-aiohttp`` and ``pyreqwest`` (``pip install pyreqwest``) are measured if they are installed.
"""

from __future__ import annotations

import asyncio
import json
import platform
import re
import statistics
import subprocess
import sys
import time
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path  # noqa: TC003  # typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import httpx
import typer
import uvloop
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from sip_stager.http_client import Client, HttpResponse
from sip_stager.model.call import Call, Decision, Forward
from sip_stager.platform.api import RoundedApi
from sip_stager.staging.stager import ApiStager

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from sip_stager.http_client import RequestHead

    Once = Callable[[], Coroutine[Any, Any, object]]

HELD = 100
CANCELLED = 5
CALL = Call(
    "bench", "trunk", "+33912345678", "+33612345678", "411b82c8-462a-4e1b-89bc-10ab3ce1ed29", 10.0
)
BODY = json.dumps(
    {"from_number": CALL.from_number, "to_number": CALL.to_number, "agent_id": CALL.agent_id}
).encode()
HTTPX = "httpx"
PYREQWEST = "pyreqwest"
PATH = "/v1/calls/stage?sync=true"
KEY = "demo-key"
HEADERS = {
    "X-Api-Key": KEY,
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
}
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=1000, keepalive_expiry=60)


async def _clients(base_url: str, stack: AsyncExitStack) -> dict[str, Once]:
    """Make each client; the last one stages as the program does, with JSON, task and deadline."""
    url = f"{base_url}{PATH}"

    async def on_session(session: aiohttp.ClientSession) -> object:
        async with session.post(url, headers=HEADERS, data=BODY) as response:
            return await response.read()

    async def on_own(client: Client, head: RequestHead) -> object:
        response = await client.exchange(head, BODY, {})
        if not isinstance(response, HttpResponse):
            raise TypeError(response)
        return response.body

    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1000))
    )
    own = Client(base_url, fields=HEADERS, connections=1000, max_body_bytes=65536)
    stack.push_async_callback(own.aclose)
    head = own.prepare("POST", PATH)
    api = await stack.enter_async_context(RoundedApi(base_url, SecretStr(KEY)))
    stager = ApiStager(api, lambda _: None)
    return {
        **await _on_httpx(url, stack),
        **await _on_pyreqwest(url, stack),
        "aiohttp": lambda: on_session(session),
        "own client": lambda: on_own(own, head),
        "a whole staging": lambda: _staged(stager),
    }


async def _on_httpx(url: str, stack: AsyncExitStack) -> dict[str, Once]:
    ready = httpx.URL(url)

    async def on_client(client: httpx.AsyncClient) -> object:
        return (await client.post(url, headers=HEADERS, content=BODY)).content

    async def on_transport(transport: httpx.AsyncBaseTransport) -> object:
        request = httpx.Request("POST", ready, headers=HEADERS, content=BODY)
        return await (await transport.handle_async_request(request)).aread()

    stock = await stack.enter_async_context(httpx.AsyncClient(limits=LIMITS, timeout=None))
    try:
        from httpx_aiohttp import AiohttpTransport
    except ImportError:
        return {HTTPX: lambda: on_client(stock)}
    transport = await stack.enter_async_context(AiohttpTransport(limits=LIMITS))
    client = httpx.AsyncClient(transport=transport, timeout=None)
    return {
        HTTPX: lambda: on_client(stock),
        "httpx on httpx-aiohttp": lambda: on_client(client),
        "httpx-aiohttp, ready request": lambda: on_transport(transport),
    }


async def _on_pyreqwest(url: str, stack: AsyncExitStack) -> dict[str, Once]:
    try:
        pyreqwest = import_module("pyreqwest.client")
    except ImportError:
        return {}
    builder = pyreqwest.ClientBuilder().max_connections(1000)
    client = await stack.enter_async_context(builder.build())

    async def send() -> object:
        request = client.post(url).headers(HEADERS).body_bytes(BODY).build()
        return await (await request.send()).bytes()

    return {PYREQWEST: send}


async def _staged(staging: ApiStager) -> None:
    done: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
    task = staging.start_staging(CALL, done.set_result)
    try:
        decision = await done
    finally:
        task.cancel()
    if not isinstance(decision, Forward):
        raise TypeError(decision)


async def _round(once: Once, requests: int) -> dict[str, float]:
    """Send so many requests; return CPU and latency in milliseconds."""
    latencies: list[float] = []

    async def one_after_the_other() -> None:
        for _ in range(requests // HELD):
            began = time.perf_counter()
            await once()
            latencies.append(time.perf_counter() - began)

    cpu = time.process_time()
    await asyncio.gather(*(one_after_the_other() for _ in range(HELD)))
    cpu = time.process_time() - cpu
    return {"cpu_ms": cpu / len(latencies) * 1000, "p50_ms": statistics.median(latencies) * 1000}


async def _measure(base_url: str, requests: int, rounds: int) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    async with AsyncExitStack() as stack:
        clients = await _clients(base_url, stack)
        for once in clients.values():
            await _round(once, HELD)
        for _ in range(rounds):
            for name, once in clients.items():
                figures = await _round(once, HELD * 5 if name == HTTPX else requests)
                best[name] = min(best.get(name, figures), figures, key=lambda f: f["cpu_ms"])
        for name in clients:
            best[name]["closed"] = await _closed_on_cancel(name)
    return best


class Mute:
    """A server that never answers, and counts the requests it has and the connections that end."""

    def __init__(self) -> None:
        self.requests = self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(BODY[-1:])
            self.requests += 1
            await reader.read()
        self.ended += 1
        writer.close()


@asynccontextmanager
async def _mute() -> AsyncIterator[tuple[Mute, str]]:
    mute = Mute()
    async with await asyncio.start_server(mute.serve, "127.0.0.1", 0) as server:
        yield mute, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def _closed_on_cancel(name: str) -> int:
    """Return how many cancelled requests of a client are closed within a second."""
    async with _mute() as (mute, url), AsyncExitStack() as stack:
        once = (await _clients(url, stack))[name]
        tasks = [asyncio.create_task(once()) for _ in range(CANCELLED)]
        while mute.requests < CANCELLED:  # noqa: ASYNC110  # a counter can wake nobody
            await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await asyncio.sleep(1)
        return mute.ended


def _show(figures: dict[str, dict[str, float]], interpreter: str) -> None:
    table = Table("client", "CPU, ms", "p50, ms", "closed on cancel")
    table.title = f"per request, {HELD} held open, API delay 50 ms, {interpreter}"
    for name, figure in figures.items():
        closed = f"{figure['closed']} of {CANCELLED}"
        table.add_row(name, f"{figure['cpu_ms']:.3f}", f"{figure['p50_ms']:.1f}", closed)
    console = Console()
    console.print(table)
    if PYREQWEST not in figures:
        console.print(f"{PYREQWEST} is not measured: it is not installed (pip install {PYREQWEST})")


def main(
    requests: Annotated[int, typer.Option(help="In a round of a client")] = 3000,
    rounds: int = 3,
    file: Annotated[Path | None, typer.Option("--json", help="Write the figures here")] = None,
) -> None:
    """Measure each client against the fake API in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "sip_stager.demo.fake_platform",
        "--delay",
        "0.05",
        "--key",
        KEY,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            line = server.stdout.readline() if server.stdout else ""
            url = re.findall(r"http://\S+", line)[0]
            figures = uvloop.run(_measure(url, requests, rounds))
        finally:
            server.terminate()
    interpreter = f"{platform.python_implementation()} {platform.python_version()}"
    _show(figures, interpreter)
    if file:
        kept: dict[str, Any] = {"interpreter": interpreter, "held": HELD, "clients": figures}
        file.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
