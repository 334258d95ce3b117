from __future__ import annotations

import pytest

from bench.reload import MAX_LAG, Rows, measure
from tests.interop.sipp import SIPP


def test_each_turn_maps_every_number_to_another_agent() -> None:
    rows = Rows(100, 7)
    first, second = [[*rows.lines(turn)] for turn in (1, 2)]
    assert len({line.partition(",")[0] for line in first}) == 100
    assert len({line.partition(",")[2] for line in first}) == 7
    assert all(one != other for one, other in zip(first, second, strict=True))


@pytest.mark.interop
@pytest.mark.skipif(SIPP is None, reason="SIPp is not here")
def test_a_reload_is_measured_under_calls() -> None:
    _, (reloaded,), (calls, failed, _) = measure(Rows(1000, 5), 20, 1)
    assert reloaded.applied
    assert reloaded.lag < 20 * MAX_LAG  # the machine of the tests has other work
    assert calls > 20
    assert not failed
