"""What an HTTP request costs over each client: ``python bench/http_clients.py``.

A hundred requests are held open at a time against the built-in fake API, which runs in another
process and answers after 50 ms.  The rounds of the clients are interleaved, so that a busy
machine is unjust to all of them, and the best round of each is printed; ``--json FILE`` keeps
the figures.  ``httpx-aiohttp`` is measured where it is installed.
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
from contextlib import AsyncExitStack
from pathlib import Path  # noqa: TC003  # typer reads the annotation
from typing import TYPE_CHECKING, Annotated, Any

import aiohttp
import httpx
import typer
import uvloop
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from sip_stager.http_client import Client, Response
from sip_stager.model.call import Call, Decision, Forward
from sip_stager.platform.api import RoundedApi
from sip_stager.staging.stager import ApiStager

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sip_stager.http_client import RequestHead

    Once = Callable[[], Awaitable[object]]

HELD = 100
CALL = Call(
    "bench", "trunk", "+33912345678", "+33612345678", "411b82c8-462a-4e1b-89bc-10ab3ce1ed29", 10.0
)
BODY = json.dumps(
    {"from_number": CALL.from_number, "to_number": CALL.to_number, "agent_id": CALL.agent_id}
).encode()
KEY = "demo-key"
HEADERS = {
    "X-Api-Key": KEY,
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
}
LIMITS = httpx.Limits(max_connections=1000, max_keepalive_connections=1000, keepalive_expiry=60)


async def _clients(base_url: str, stack: AsyncExitStack) -> dict[str, Once]:
    """Make each client; the last is the program's own way of staging, JSON and task included."""
    url = f"{base_url}/v1/calls/stage?sync=true"
    ready = httpx.URL(url)

    async def on_client(client: httpx.AsyncClient) -> object:
        return (await client.post(url, headers=HEADERS, content=BODY)).content

    async def on_transport(transport: httpx.AsyncBaseTransport) -> object:
        request = httpx.Request("POST", ready, headers=HEADERS, content=BODY)
        return await (await transport.handle_async_request(request)).aread()

    async def on_own(client: Client, head: RequestHead) -> object:
        response = await client.exchange(head, BODY, {})
        if not isinstance(response, Response):
            raise TypeError(response)
        return response.body

    async def on_session(session: aiohttp.ClientSession) -> object:
        async with session.post(url, headers=HEADERS, data=BODY) as response:
            return await response.read()

    stock = await stack.enter_async_context(httpx.AsyncClient(limits=LIMITS, timeout=None))
    own = Client(base_url, fields=HEADERS, connections=1000, max_body_bytes=65536)
    stack.push_async_callback(own.aclose)
    head = own.prepare("POST", "/v1/calls/stage?sync=true")
    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1000))
    )
    api = await stack.enter_async_context(RoundedApi(base_url, SecretStr(KEY)))
    staging = ApiStager(api, lambda _: None)
    clients: dict[str, Once] = {"httpx, stock transport": lambda: on_client(stock)}
    try:
        from httpx_aiohttp import AiohttpTransport as Theirs
    except ImportError:
        pass
    else:
        theirs = await stack.enter_async_context(Theirs(limits=LIMITS))
        client = httpx.AsyncClient(transport=theirs, timeout=None)
        clients["httpx on httpx-aiohttp"] = lambda: on_client(client)
        clients["httpx-aiohttp, ready request"] = lambda: on_transport(theirs)
    return clients | {
        "aiohttp itself": lambda: on_session(session),
        "own client, prepared request": lambda: on_own(own, head),
        "sip_stager's whole staging": lambda: _staged(staging),
    }


async def _staged(staging: ApiStager) -> None:
    done: asyncio.Future[Decision] = asyncio.get_running_loop().create_future()
    staging.start_staging(CALL, done.set_result)
    if not isinstance(decision := await done, Forward):
        raise TypeError(decision)


async def _round(once: Once, requests: int) -> dict[str, float]:
    """Send so many; give CPU and latency in milliseconds."""
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
                figures = await _round(once, HELD * 5 if "stock" in name else requests)
                best[name] = min(best.get(name, figures), figures, key=lambda f: f["cpu_ms"])
    return best


def _show(figures: dict[str, dict[str, float]], interpreter: str) -> None:
    table = Table("client", "CPU, ms a request", "latency p50, ms")
    table.title = f"{HELD} requests held open, API delay 50 ms, {interpreter}"
    for name, figure in figures.items():
        table.add_row(name, f"{figure['cpu_ms']:.3f}", f"{figure['p50_ms']:.1f}")
    Console().print(table)


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
