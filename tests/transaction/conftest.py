from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.conversation import ALICE, ALICE_TCP, BOB
from tests.transaction.layer_scene import TCP_TO_BOB, Scene

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(params=[ALICE, ALICE_TCP], ids=["udp", "tcp"])
def source(request: pytest.FixtureRequest) -> Flow:
    """The source of a request."""
    flow: Flow = request.param
    return flow


@pytest.fixture(params=[BOB, TCP_TO_BOB], ids=["udp", "tcp"])
def flow(request: pytest.FixtureRequest) -> Flow:
    """The destination of a request."""
    flow: Flow = request.param
    return flow
