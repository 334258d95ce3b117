"""The lock files hold every package, with every extra, and name no place to get them from."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = [ROOT / f"requirements{kind}.lock" for kind in ("-build", "", "-dev")]
PINNED = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?==([\w.]+)")


def locked(lock: Path) -> dict[str, set[str]]:
    """The extras with which each package is locked."""
    found = (PINNED.match(line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {
        canonicalize_name(one[1]): set((one[2] or "").split(",")) - {""} for one in found if one
    }


def asked_for(name: str, extras: set[str]) -> list[Requirement]:
    """What an installed package needs on this machine, with these extras of its own."""
    try:
        needed = [Requirement(text) for text in requires(name) or ()]
    except PackageNotFoundError:  # one for another system: colorama, for Windows
        return []
    return [
        one
        for one in needed
        if one.marker is None
        or any(one.marker.evaluate({"extra": extra}) for extra in (extras or {""}) | {""})
    ]


def lacking(lock: dict[str, set[str]]) -> list[str]:
    """Requirements of the locked packages that the lock does not meet, extras included."""
    return [
        f"{name} needs {needed}"
        for name, extras in lock.items()
        for needed in asked_for(name, extras)
        if not needed.extras <= lock.get(canonicalize_name(needed.name), {"no such package"})
        or canonicalize_name(needed.name) not in lock
    ]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_requirement_is_locked_with_its_extras(lock: Path) -> None:
    assert lacking(locked(lock)) == []


def test_a_missing_extra_and_a_missing_package_are_seen() -> None:
    lock = locked(ROOT / "requirements-dev.lock")
    assert lock["coverage"] == {"toml"}
    lacking_both = {**lock, "coverage": set[str]()}
    del lacking_both["pluggy"]
    found = lacking(lacking_both)
    assert any(re.match(r"pytest-cov needs coverage\[toml\]", line) for line in found)
    assert any(re.match(r"pytest needs pluggy", line) for line in found)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_package_has_hashes(lock: Path) -> None:
    entries = re.split(r"\n(?=[\w])", lock.read_text(encoding="utf-8"))[1:]
    assert len(entries) == len(locked(lock))
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_no_lock_names_a_package_index(lock: Path) -> None:
    """Where packages come from is for pip's settings on each machine to say."""
    assert re.findall(r"https?://\S+|--\w*index\S*|--find-links", lock.read_text()) == []


def test_both_locks_hold_the_same_versions() -> None:
    versions = [
        {found[1]: found[3] for found in PINNED.finditer(lock.read_text())} for lock in LOCKS
    ]
    build, runtime, dev = versions
    assert (build | runtime).items() <= dev.items()
