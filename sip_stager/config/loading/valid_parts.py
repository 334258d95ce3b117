"""The settings in parts, so that a mistake in one does not hide those between others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sip_stager.config.tables.numbers import Number
from sip_stager.config.tables.peers import Listener, Upstream
from sip_stager.config.tables.settings import Http, Settings
from sip_stager.config.tables.trunk import Trunk

M = TypeVar("M", bound=BaseModel)


@dataclass
class Parts:
    """The parts of the settings that are right by themselves, each with its place.

    ``all_listeners`` tells whether none of the listeners is missing here.
    """

    listeners: dict[int, Listener]
    trunks: dict[int, Trunk]
    numbers: dict[int, Number]
    upstream: Upstream | None
    http: Http | None
    all_listeners: bool = True

    @classmethod
    def of_settings(cls, settings: Settings) -> Parts:
        """Take settings apart."""
        return cls(
            dict(enumerate(settings.listeners)),
            dict(enumerate(settings.trunks)),
            dict(enumerate(settings.numbers)),
            settings.upstream,
            settings.http,
        )

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Parts:
        """Take what is usable out of a document with mistakes."""
        listeners = document.get("listeners")
        usable = _usable(Listener, listeners)
        return cls(
            usable,
            _usable(Trunk, document.get("trunks")),
            _usable(Number, document.get("numbers")),
            _usable(Upstream, [document.get("upstream")]).get(0),
            _usable(Http, [document.get("http", {})]).get(0),
            isinstance(listeners, list) and len(usable) == len(listeners),
        )


def _usable(model: type[M], rows: object) -> dict[int, M]:
    found: dict[int, M] = {}
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        try:
            found[index] = model.model_validate(row)
        except ValidationError:
            continue
    return found
