"""Advertised addresses that are in the environment, such as that of the node of a pod."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from sip_stager.config.errors import Finding
from sip_stager.config.tables.address_types import check_host
from sip_stager.config.tables.field_types import ENVIRONMENT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def resolve_advertised(document: dict[str, Any], environ: Mapping[str, str]) -> Iterator[Finding]:
    """Set ``advertise`` of each listener that names a variable for it; yield what is wrong.

    No value of the environment is shown: a wrong name may be that of a secret.
    """
    listeners = document.get("listeners")
    for index, listener in enumerate(listeners if isinstance(listeners, list) else ()):
        name = listener.get("advertise_env") if isinstance(listener, dict) else None
        # Anything but a name of a variable is a mistake that its own check reports.
        if not isinstance(name, str) or not re.fullmatch(ENVIRONMENT_VARIABLE, name):
            continue
        if words := _resolve(listener, name, environ):
            yield Finding(("listeners", index, "advertise_env"), *words)


def _resolve(
    listener: dict[str, Any], name: str, environ: Mapping[str, str]
) -> tuple[str, str] | None:
    """Set ``advertise`` from a variable, or return what is wrong and what would be right."""
    if "advertise" in listener:
        return "stands beside advertise", "remove one of the two"
    text = environ.get(name, "").strip()
    right = 'put the address or name that peers send to into it, like "198.51.100.7"'
    if not text:
        return f"the environment variable {name} is not set", right
    try:
        listener["advertise"] = check_host(text)
    except PydanticCustomError:
        wrong = f"the environment variable {name} holds no address or name that a peer can send to"
        return wrong, right
    return None
