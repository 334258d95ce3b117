"""What a test cannot do without: programs, and IPv6."""

from __future__ import annotations

import os
import socket

import pytest


def need(program: str | None, missing: str) -> None:
    """Leave the test out where a program is missing, but never in CI."""
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


def has_ipv6() -> bool:
    """Tell whether this machine has ::1: many a container has not."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def need_ipv6() -> None:
    """Leave the test out where ::1 is missing, but never in CI."""
    need("::1" if has_ipv6() else None, "this machine has no IPv6: there is no ::1")
