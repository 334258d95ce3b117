"""A message whose header is unlike any before it costs little more than a usual one."""

from __future__ import annotations

import gc
from random import Random
from typing import TYPE_CHECKING

import pytest

from bench.whole_call import STEPS, WholeCall, bytecodes
from sip_stager.sip.parser import parse
from tests.sip.test_shape import FIELDS, invite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_SURPRISE = 600
"""Bytecodes that a message with unknown names or order may cost above a known one."""
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


def shuffled(fields: list[bytes], seed: int) -> list[bytes]:
    fields = fields.copy()
    Random(seed).shuffle(fields)
    return fields


SURPRISES: dict[str, Callable[[int], list[bytes]]] = {
    "another order": lambda seed: shuffled(FIELDS, seed),
    "unknown names": lambda seed: shuffled(
        [*FIELDS[:7], *(b"X-%d-%b" % (seed, field) for field in FIELDS[7:])], seed
    ),
    "other case": lambda seed: shuffled(
        [*FIELDS[:7], *(bytes(field).swapcase() for field in FIELDS[7:])], seed
    ),
    "names that cannot be read": lambda seed: shuffled(
        [*FIELDS[:7], *(b"X [%d] %b" % (seed, field) for field in FIELDS[7:])], seed
    ),
    "no colons": lambda seed: shuffled(
        [*FIELDS[:7], *(b"%d %b" % (seed, field.replace(b":", b"")) for field in FIELDS[7:])], seed
    ),
    "folds": lambda seed: shuffled(
        [*FIELDS[:7], *(b"X-%d-%b\r\n y" % (seed, field) for field in FIELDS[7:])], seed
    ),
    "names like ours": lambda seed: shuffled(
        [*FIELDS[:7], *(b"X-Rounded-Call-Id %d: x" % seed for _ in FIELDS[7:])], seed
    ),
    "fields twice": lambda seed: shuffled([*FIELDS[:14], *FIELDS[8:14]], seed),
}


def cost(data: bytes) -> float:
    """Return the bytecodes of parsing a message."""

    def step() -> None:
        parse(data)

    gc.disable()  # a callback of the collector, such as hypothesis', would be counted
    try:
        return bytecodes(step)
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [b"\r\n", b"\n"], ids=["CR LF", "LF"])
@pytest.mark.parametrize("name", SURPRISES)
def test_a_surprise_costs_at_most_600_bytecodes_more(name: str, kind: bytes) -> None:
    """Beyond the RFCs: strangers choose the names and their order, and a known order is cheap."""
    parse(invite(FIELDS))
    usual = cost(invite(FIELDS))
    first = 100 * len(kind)  # no message of the other kind has made an order known
    dearest = max(cost(invite(SURPRISES[name](first + seed), kind)) for seed in range(20))
    assert 0 < dearest - usual <= MAX_SURPRISE


def test_a_known_order_costs_the_same_each_time() -> None:
    data = invite(shuffled(FIELDS, 99))
    assert cost(data) > cost(data) == cost(data)
