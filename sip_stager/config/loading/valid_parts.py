"""The valid parts of a document with mistakes, so that one mistake does not hide others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sip_stager.config.tables.numbers import MappedNumber, Number
from sip_stager.config.tables.peers import Listener, Upstream
from sip_stager.config.tables.settings import Http, Settings
from sip_stager.config.tables.trunk import Trunk

M = TypeVar("M", bound=BaseModel)


@dataclass
class ValidParts:
    """The tables that are valid by themselves, each with its index.

    ``row_indexes`` are the indexes of the mapped numbers, ``rows``.  ``all_listeners`` and
    ``all_trunks`` are True if none of them is missing here.
    """

    listeners: dict[int, Listener]
    trunks: dict[int, Trunk]
    rows: Sequence[MappedNumber]
    row_indexes: Sequence[int]
    upstream: Upstream | None
    http: Http | None
    all_listeners: bool = True
    all_trunks: bool = True

    @classmethod
    def of_settings(cls, settings: Settings) -> ValidParts:
        """Return all tables of valid settings."""
        return cls(
            dict(enumerate(settings.listeners)),
            dict(enumerate(settings.trunks)),
            settings.rows,
            range(len(settings.rows)),
            settings.upstream,
            settings.http,
        )

    @classmethod
    def of_document(
        cls, document: dict[str, Any], csv_rows: Sequence[MappedNumber], first_csv_row: int
    ) -> ValidParts:
        """Return the tables of a document that are valid by themselves, and the rows of its CSV."""
        listeners = document.get("listeners")
        usable = _valid_rows(Listener, listeners)
        numbers = _valid_rows(Number, document.get("numbers"))
        trunks = document.get("trunks")
        valid_trunks = _valid_rows(Trunk, trunks)
        return cls(
            usable,
            valid_trunks,
            [*(MappedNumber(each.number, each) for each in numbers.values()), *csv_rows],
            [*numbers, *range(first_csv_row, first_csv_row + len(csv_rows))],
            _valid_rows(Upstream, [document.get("upstream")]).get(0),
            _valid_rows(Http, [document.get("http", {})]).get(0),
            isinstance(listeners, list) and len(usable) == len(listeners),
            isinstance(trunks, list) and len(valid_trunks) == len(trunks),
        )

    def numbered_rows(self) -> Iterator[tuple[int, MappedNumber]]:
        """Yield the mapped numbers, each with its index."""
        return zip(self.row_indexes, self.rows, strict=True)


def _valid_rows(model: type[M], rows: object) -> dict[int, M]:
    found: dict[int, M] = {}
    for index, row in enumerate(rows if isinstance(rows, list) else []):
        try:
            found[index] = model.model_validate(row)
        except ValidationError:
            continue
    return found
