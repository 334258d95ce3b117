"""The faults of a staging API: wrong bodies, and raw bytes on the connection."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import zlib
from typing import TYPE_CHECKING, NoReturn

from aiohttp import web

if TYPE_CHECKING:
    from sip_stager.demo.fake_platform.behaviour import Fault

CLOSED_BY_FAULT = web.RequestKey("closed_by_fault", bool)
"""Marks a request whose connection a fault closed: its client did not abort it."""
_DRIP_INTERVAL = 0.05  # seconds between two bytes
_OVERSIZED = 1 << 20  # bytes
_CHUNK = 1 << 14  # bytes


async def answer(request: web.BaseRequest, fault: Fault, staged_id: str) -> web.StreamResponse:
    """Answer a staging request with a fault."""
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
    return await _answer_raw(request, fault, good)


async def _answer_raw(request: web.BaseRequest, fault: Fault, good: bytes) -> NoReturn:
    """Write to the transport, below aiohttp, which only sends correct HTTP."""
    match fault:
        case "slow_headers":
            await _send_slowly(request, b"HTTP/1.1 201 Created\r\nX-Slow: " + b"x" * 4096)
        case "drip":
            await _send_slowly(request, good, _head(len(good)))
        case "reset":
            await _reset(request)
        case "hang_up":
            await _send_and_close(request, b"")
        case "close_after":
            await _send_and_close(request, _head(len(good)) + good)
        case "truncated_body":
            await _send_and_close(request, _head(len(good)) + good[:-20])
    await _wait_for_cancellation()


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
    if request.transport is None:  # the client has closed the connection
        raise asyncio.CancelledError
    return request.transport


async def _wait_for_cancellation() -> NoReturn:
    await asyncio.Event().wait()  # aiohttp cancels the handler when the connection is lost
    raise AssertionError


async def _send_slowly(request: web.BaseRequest, slow: bytes, first: bytes = b"") -> None:
    transport = _transport(request)
    transport.write(first)
    for byte in slow:
        transport.write(bytes([byte]))
        await asyncio.sleep(_DRIP_INTERVAL)
    await _send_and_close(request, b"")


async def _send_and_close(request: web.BaseRequest, data: bytes) -> None:
    transport = _transport(request)
    request[CLOSED_BY_FAULT] = True
    transport.write(data)
    transport.close()


async def _reset(request: web.BaseRequest) -> None:
    transport = _transport(request)
    connection: socket.socket = transport.get_extra_info("socket")
    # With a linger time of zero, close() sends RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request[CLOSED_BY_FAULT] = True
    transport.abort()


async def _oversized(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(status=201)
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b'{"data": {"call_id": "abc", "more": "')
    for _ in range(_OVERSIZED // _CHUNK):
        await response.write(b"x" * _CHUNK)
    await response.write(b'"}}')
    await response.write_eof()
    return response
