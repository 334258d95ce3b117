from __future__ import annotations

import pytest

from tests.transaction.layer_scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()
