"""The bodies of the staging API: success, and errors in both of the documented shapes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from sip_stager.demo.behaviour import Behaviour

PUBLISHED = 3
"""The version of each agent that was published last."""
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def wrong_fields(asked: dict[str, Any]) -> list[dict[str, str]]:
    """Say what is wrong with a staging request, as the details of an error."""
    wrong = [
        {"field": name, "message": "Must be a string of at least 8 characters"}
        for name in ("from_number", "to_number")
        if not isinstance(asked.get(name), str) or len(asked[name]) < 8
    ]
    if not UUID.fullmatch(str(asked["agent_id"])):
        wrong.append({"field": "agent_id", "message": "Must be a uuid"})
    if not isinstance(asked.get("dynamic_variables_values", {}), dict):
        wrong.append({"field": "dynamic_variables_values", "message": "Must be an object"})
    return wrong


def agent_record(agent_id: str, version: int, variables: dict[str, str]) -> dict[str, Any]:
    """Write an agent's record, with what no log should show in it."""
    return {
        "id": agent_id,
        "version": version,
        "name": f"Agent {agent_id[:8]}",
        "language": "fr-FR",
        "base_prompt": "You are a secret prompt.",
        "states": [{"variables": [], "tools": [{"headers": {"Authorization": "Bearer secret"}}]}],
        "variables": [{"name": name, "type": type_} for name, type_ in variables.items()],
    }


def success(status: int, data: dict[str, Any], message: str = "OK") -> web.Response:
    """Answer with ``data`` in the envelope of a success."""
    body = {"message": message, "data": data, "error": None, "status": status}
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json"
    )


def failure(
    status: int, message: str, details: list[dict[str, str]] | None = None, *, bare: bool = False
) -> web.Response:
    """Answer with an error, in its envelope or bare."""
    error = {
        "details": details or [],
        "message": message,
        "status": status,
        "type": "generic_error",
    }
    body = error if bare else {"message": message, "error": error, "status": status}
    return web.json_response(body, status=status)


def refusal(behaviour: Behaviour, status: int = 0) -> web.Response:
    """Answer with the error that a behaviour asks for, or with another status and its words."""
    response = failure(status or behaviour.status, behaviour.message, bare=behaviour.bare)
    response.headers.update(behaviour.headers)
    if behaviour.retry_after:
        response.headers["Retry-After"] = behaviour.retry_after
    return response
