from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.config.settings_folder import KEY, Folder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("ROUNDED_API_KEY", KEY)
    return Folder(tmp_path)


@pytest.fixture(autouse=True)
def patient_manager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a service manager that lets every drain end: the tests may run in a container."""
    monkeypatch.setenv("SIP_STAGER_STOP_TIMEOUT", "3700")
