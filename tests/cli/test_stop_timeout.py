"""The warning of a service manager that kills the program before its drain is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sip_stager.cli.stop_timeout import find_stop_limit, parse_time_span, stop_warning

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("environ", "mark", "manager", "seconds"),
    [
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "", "Kubernetes", 30.0),
        ({}, ".dockerenv", "Docker", 10.0),
        ({}, "run/.containerenv", "Podman", 10.0),
        ({"SIP_STAGER_STOP_TIMEOUT": "12.5"}, ".dockerenv", "the service manager", 12.5),
    ],
)
def test_the_limit_of_the_service_manager_is_found(
    tmp_path: Path, environ: dict[str, str], mark: str, manager: str, seconds: float
) -> None:
    if mark:
        (tmp_path / mark).parent.mkdir(exist_ok=True)
        (tmp_path / mark).touch()
    limit = find_stop_limit(environ, tmp_path)
    assert limit is not None
    assert (limit.manager, limit.seconds) == (manager, seconds)


def test_no_limit_is_known_outside_a_service_manager(tmp_path: Path) -> None:
    assert find_stop_limit({}, tmp_path) is None
    assert stop_warning(3600.0, None) == ""


def test_a_limit_below_the_longest_stop_is_a_warning(tmp_path: Path) -> None:
    limit = find_stop_limit({"SIP_STAGER_STOP_TIMEOUT": "32"}, tmp_path)
    assert stop_warning(29.9, limit) == ""
    warning = stop_warning(30.0, limit)
    assert warning.startswith("[limits] drain_timeout = 30: a stop may take 32 s")
    assert "lower drain_timeout" in warning


@pytest.mark.parametrize(
    ("text", "seconds"), [("1min 30s\n", 90.0), ("500ms", 0.5), ("infinity", 0.0), ("1h", 3600.0)]
)
def test_times_are_read_as_systemd_writes_them(text: str, seconds: float) -> None:
    assert parse_time_span(text) == seconds
