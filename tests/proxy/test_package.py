"""The docstrings of the packages list all their files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sip_stager import calls, proxy, trunks

if TYPE_CHECKING:
    from types import ModuleType


@pytest.mark.parametrize("package", [calls, proxy, trunks], ids=["calls", "proxy", "trunks"])
def test_the_docstring_of_a_package_lists_all_its_files(package: ModuleType) -> None:
    files = {path.name for path in Path(package.__path__[0]).glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"``(\w+\.py)``", package.__doc__ or "")) == files
