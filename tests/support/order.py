"""A pytest plugin: the core's tests run first; with ``--quick`` they run alone.

Next come the tests against real peers, file by file: they take longest, so that with two workers
(``-n 2 --dist loadfile``) both are busy to the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

_QUICK = ("sip", "transaction", "proxy", "trunks")
QUICK = {*(f"tests/{room}" for room in _QUICK), "tests/test_architecture.py"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--quick``."""
    parser.addoption("--quick", action="store_true", help="run only the tests of the core")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip files that do not test the core if ``--quick`` is given."""
    if config.option.quick and collection_path.is_file() and not _is_quick(collection_path, config):
        return True
    return None  # the other plugins decide


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests; those of one file stay together, in the order in which they stand."""
    interop = {item.path for item in items if item.get_closest_marker("interop")}

    def rank(item: pytest.Item) -> int:
        if _is_quick(item.path, config):
            return 0
        return 1 if item.path in interop else 2

    items.sort(key=rank)


def _is_quick(path: Path, config: pytest.Config) -> bool:
    relative = path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else path
    return any(part.as_posix() in QUICK for part in (relative, *relative.parents))
