"""The valid parts of a document with mistakes, so that one mistake does not hide others."""

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
class ValidParts:
    """The tables that are valid by themselves, each with its index.

    ``all_listeners`` is True if none of the listeners is missing here.
    """

    listeners: dict[int, Listener]
    trunks: dict[int, Trunk]
    numbers: dict[int, Number]
    upstream: Upstream | None
    http: Http | None
    all_listeners: bool = True

    @classmethod
    def of_settings(cls, settings: Settings) -> ValidParts:
        """Return all tables of valid settings."""
        return cls(
            dict(enumerate(settings.listeners)),
            dict(enumerate(settings.trunks)),
            dict(enumerate(settings.numbers)),
            settings.upstream,
            settings.http,
        )

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> ValidParts:
        """Return the tables of a document that are valid by themselves."""
        listeners = document.get("listeners")
        usable = _valid_rows(Listener, listeners)
        return cls(
            usable,
            _valid_rows(Trunk, document.get("trunks")),
            _valid_rows(Number, document.get("numbers")),
            _valid_rows(Upstream, [document.get("upstream")]).get(0),
            _valid_rows(Http, [document.get("http", {})]).get(0),
            isinstance(listeners, list) and len(usable) == len(listeners),
        )


def _valid_rows(model: type[M], rows: object) -> dict[int, M]:
    found: dict[int, M] = {}
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        try:
            found[index] = model.model_validate(row)
        except ValidationError:
            continue
    return found
