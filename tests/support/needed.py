"""Skips for tests whose program, right or IPv6 is missing; in CI a skip fails (``skips.py``)."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess

import pytest


def need(program: str | None, missing: str) -> None:
    """Skip the test if ``program`` is None; ``missing`` says what to install."""
    if program is None:
        pytest.skip(missing)


def need_capture() -> None:
    """Skip the test if this user cannot record packets of the loopback interface."""
    dumpcap = shutil.which("dumpcap")
    need(dumpcap, "dumpcap is not installed: install the Debian package wireshark-common")
    shown = subprocess.run([str(dumpcap), "-D"], capture_output=True, text=True, check=False)
    allowed = re.search(r"\blo\b", shown.stdout)
    need(allowed and allowed[0], "this user may not record packets on loopback (root may)")


def has_ipv6() -> bool:
    """True if this machine has ::1, which many containers lack."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def need_ipv6() -> None:
    """Skip the test if ::1 is missing."""
    need("::1" if has_ipv6() else None, "this machine has no IPv6: there is no ::1")
