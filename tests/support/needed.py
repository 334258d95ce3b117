"""Programs that a test cannot do without."""

from __future__ import annotations

import os

import pytest


def need(program: str | None, missing: str) -> None:
    """Leave the test out where a program is missing, but never in CI."""
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
