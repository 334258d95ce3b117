"""CANCEL while a call is staged; later ones are in test_dialogs.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.interop.silence import Silence

if TYPE_CHECKING:
    from tests.interop.scene import Scene

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_cancelled_while_staging_goes_nowhere(scene: Scene, transport: str) -> None:
    scene.start(api={"delay": 3})
    with Silence(scene.upstream) as upstream:
        caller = scene.caller("caller_cancels_staging", transport=transport, hold=200)
        caller.finish(timeout=2.5)
        scene.api.wait_stats(stage_requests=1, aborted=1)
        upstream.check()
