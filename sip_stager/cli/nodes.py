"""Requests to the pages of recorded calls, of one or several running programs."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

DEFAULT_NODE = "http://127.0.0.1:9090"
TIMEOUT = 5.0  # seconds
MAX_ANSWER_BYTES = 64 * 1024 * 1024
CALLS_PATH = "/api/v1/calls"


class Answer(NamedTuple):
    """The answer of a node: a JSON object, or the words why there is none."""

    node: str
    value: dict[str, Any]
    error: str = ""


def ask_all(nodes: list[str], path: str, query: dict[str, str]) -> list[Answer]:
    """Ask all nodes at once, so that one that is down costs no more than its timeout."""
    with ThreadPoolExecutor(max_workers=len(nodes)) as threads:
        return list(threads.map(lambda node: ask(node, path, query), nodes))


def ask(node: str, path: str, query: dict[str, str]) -> Answer:
    """Return the answer of a node; an error of any kind is words in it."""
    try:
        status, body = _fetch(node, path, query)
        value = json.loads(body)
    except (OSError, HTTPException, ValueError) as error:
        return Answer(node, {}, str(error) or type(error).__name__)
    if not isinstance(value, dict):
        return Answer(node, {}, "it is no sip-stager")
    if status == 200:
        return Answer(node, value)
    return Answer(node, {}, str(value.get("error", f"HTTP status {status}")))


def _fetch(node: str, path: str, query: dict[str, str]) -> tuple[int, bytes]:
    url = urlsplit(node)
    if url.scheme not in {"http", "https"} or not url.hostname:
        raise ValueError(f"it is not an HTTP address; write one like {DEFAULT_NODE}")
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname, url.port, timeout=TIMEOUT)
    try:
        # No request is sent by way of a proxy: the answer holds calls of people.
        target = url.path.rstrip("/") + path + (f"?{urlencode(query)}" if query else "")
        connection.request("GET", target)
        response = connection.getresponse()
        body = response.read(MAX_ANSWER_BYTES)
    finally:
        connection.close()
    if response.getheader("Content-Type", "").startswith("application/json"):
        return response.status, body
    if response.status == 404:
        raise ValueError("it records no calls: set [records] calls, and restart it")
    raise ValueError(f"HTTP status {response.status}")
