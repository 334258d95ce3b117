"""A call whose header is unlike any before it costs little more than a usual one."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from bench.whole_call import STEPS, WholeCall, bytecodes

if TYPE_CHECKING:
    from pathlib import Path

MAX_SURPRISE = 600
"""Bytecodes of one step."""
KNOWN = 8
"""Fields that every request of the load has."""


class SurprisingCall(WholeCall):
    """Places calls whose requests have their fields in an order of their own each time.

    ``renamed``: the fields that a proxy does not need have new names as well.
    """

    renamed: bool | None = None
    chance = Random(1)

    def _request(self, method: str, cseq: int, ok: str = "", *, offer: bool = False) -> bytes:
        data = super()._request(method, cseq, ok, offer=offer)
        if self.renamed is None:
            return data
        head, _, body = data.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        if self.renamed:
            fields[KNOWN:] = [b"X-%d-%b" % (self._placed, field) for field in fields[KNOWN:]]
        self.chance.shuffle(fields)
        return b"\r\n".join([line, *fields, b"", body])


@pytest.mark.parametrize("renamed", [False, True])
def test_no_step_of_a_surprising_call_costs_over_600_bytecodes_more(
    tmp_path: Path, *, renamed: bool
) -> None:
    """Beyond the RFCs: strangers choose the names and their order."""
    calls = SurprisingCall(tmp_path)
    calls.place(20, bytecodes)
    usual = calls.place(5, bytecodes)
    calls.renamed = renamed
    surprising = calls.place(5, bytecodes)
    more = {step: b - a for step, a, b in zip(STEPS, usual, surprising, strict=True)}
    assert more["INVITE"] > 0
    assert {step: count for step, count in more.items() if count > MAX_SURPRISE} == {}
