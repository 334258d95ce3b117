"""The faults of a staging API, as bytes on a connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import zlib
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web

if TYPE_CHECKING:
    from sip_stager.demo.behaviour import Fault

ENDED = web.RequestKey("ended", bool)  # set on a request whose connection this module closed
_DRIP = 0.05  # seconds between two bytes
_OVERSIZED = 1 << 20


async def answer(request: web.BaseRequest, fault: Fault, staged_id: str) -> web.StreamResponse:
    """Answer a staging request with a fault; a raw one ends with its connection."""
    good = _body({"call_id": staged_id})
    match fault:
        case "oversized":
            return await _oversized(request)
        case "compressed":
            coded = zlib.compress(good, wbits=31)
            return web.Response(status=201, body=coded, headers={"Content-Encoding": "gzip"})
        case "redirect":
            return web.Response(status=302, headers={"Location": str(request.url)})
        case "wrong_types" | "numeric_call_id" | "no_call_id" | "crlf_call_id" | "truncated_json":
            body = _wrong_body(fault, good)
            return web.Response(status=201, body=body, content_type="application/json")
    return await _raw(request, fault, good)


async def _raw(request: web.BaseRequest, fault: Fault, good: bytes) -> NoReturn:
    match fault:
        case "slow_headers":
            await _drip(request, b"HTTP/1.1 201 Created\r\nX-Slow: " + b"x" * 4096)
        case "drip":
            await _drip(request, good, _head(len(good)))
        case "reset":
            await _reset(request)
        case "hang_up":
            await _send_and_close(request, b"")
        case "close_after":
            await _send_and_close(request, _head(len(good)) + good)
        case "truncated_body":
            await _send_and_close(request, _head(len(good)) + good[:-20])
    await _wait()


def _wrong_body(fault: Fault, good: bytes) -> bytes:
    match fault:
        case "wrong_types":
            return json.dumps({"data": [1, None], "status": "201", "error": 7}).encode()
        case "numeric_call_id":
            return _body({"call_id": 42})
        case "no_call_id":
            return _body({})
        case "crlf_call_id":
            return _body({"call_id": "abc\r\nX-Evil: 1"})
    return good[:-20]


def _body(data: dict[str, object]) -> bytes:
    return json.dumps({"message": "OK", "data": data, "error": None, "status": 201}).encode()


def _head(length: int) -> bytes:
    return (
        b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def _transport(request: web.BaseRequest) -> asyncio.Transport:
    if request.transport is None:
        raise asyncio.CancelledError
    return request.transport


async def _wait() -> NoReturn:
    await asyncio.Event().wait()  # aiohttp cancels us as soon as the connection is lost
    raise AssertionError


async def _drip(request: web.BaseRequest, slowly: bytes, at_once: bytes = b"") -> None:
    transport = _transport(request)
    transport.write(at_once)
    for byte in slowly:
        transport.write(bytes([byte]))
        await asyncio.sleep(_DRIP)
    await _send_and_close(request, b"")


async def _send_and_close(request: web.BaseRequest, data: bytes) -> None:
    transport = _transport(request)
    request[ENDED] = True
    transport.write(data)
    transport.close()


async def _reset(request: web.BaseRequest) -> None:
    transport = _transport(request)
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request[ENDED] = True
    transport.abort()


async def _oversized(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(status=201)
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"data": {"call_id": "abc", "more": "')
    for _ in range(_OVERSIZED >> 14):
        await response.write(b"x" * (1 << 14))
    await response.write(b'"}}')
    await response.write_eof()
    return response
