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
