"""The optional compiled build: with ``SIP_STAGER_COMPILE=1`` the core becomes C extensions.

``pyproject.toml`` has all else.  Without the variable neither mypy nor a C compiler is needed.  The
compiled modules lie beside their sources, which Python then takes for tracebacks alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from setuptools import setup

if TYPE_CHECKING:
    from setuptools import Extension

CORE = ("model", "events", "sip", "transaction", "proxy", "calls", "trunks")
"""The rooms that are pure and synchronous; with them goes ``ports.py``."""


def extensions() -> list[Extension]:
    """Return the extensions to compile: none, unless the variable asks for them."""
    if os.environ.get("SIP_STAGER_COMPILE") != "1":
        return []
    from mypyc.build import mypycify  # noqa: PLC0415  not installed where it is not needed

    package = Path("sip_stager")
    rooms = [path for room in CORE for path in sorted((package / room).glob("[!_]*.py"))]
    paths = [str(path) for path in (package / "ports.py", *rooms)]
    # One group, so that calls between modules are calls in C.
    return mypycify(paths, opt_level="2", debug_level="0", group_name="sip_stager")


setup(ext_modules=extensions())
