"""The replies of the API: success, and errors in both documented shapes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from sip_stager.demo.fake_platform.behaviour import Behaviour

LATEST_VERSION = 3
"""The newest published version of every agent."""
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def validation_errors(request: dict[str, Any]) -> list[dict[str, str]]:
    """Return what is wrong with a staging request, as the details of an error reply."""
    errors = [
        {"field": name, "message": "Must be a string of at least 8 characters"}
        for name in ("from_number", "to_number")
        if not isinstance(request.get(name), str) or len(request[name]) < 8
    ]
    if not UUID.fullmatch(str(request["agent_id"])):
        errors.append({"field": "agent_id", "message": "Must be a uuid"})
    if not isinstance(request.get("dynamic_variables_values", {}), dict):
        errors.append({"field": "dynamic_variables_values", "message": "Must be an object"})
    return errors


def agent_record(agent_id: str, version: int, variables: dict[str, str]) -> dict[str, Any]:
    """Return the record of an agent, with secrets in it that no log may show."""
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
    """Return a reply with ``data`` in the envelope of a success."""
    body = {"message": message, "data": data, "error": None, "status": status}
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/json"
    )


def failure(
    status: int, message: str, details: list[dict[str, str]] | None = None, *, bare: bool = False
) -> web.Response:
    """Return an error reply, with or without its envelope."""
    error = {
        "details": details or [],
        "message": message,
        "status": status,
        "type": "generic_error",
    }
    body = error if bare else {"message": message, "error": error, "status": status}
    return web.json_response(body, status=status)


def error_reply(behaviour: Behaviour, status: int = 0) -> web.Response:
    """Return the error that a behaviour describes, with another ``status`` if one is given."""
    response = failure(status or behaviour.status, behaviour.message, bare=behaviour.bare)
    response.headers.update(behaviour.headers)
    if behaviour.retry_after:
        response.headers["Retry-After"] = behaviour.retry_after
    return response
