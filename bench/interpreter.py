"""Which Python it was: a build without profile-guided optimisation is 1.4 times slower."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

_ASK = """
import json, platform, sys, sysconfig
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
compiler = platform.python_compiler()
# Debian and Ubuntu run the profiled build by rules of their own, and then empty the flag that
# configure sets for these compilers in every build.
emptied = sysconfig.get_config_var("PGO_PROF_USE_FLAG") == "" and compiler.startswith(
    ("GCC", "Clang")
)
print(json.dumps({
    "version": platform.python_version(),
    "path": sys._base_executable,
    "compiler": compiler,
    "optimised": "--enable-optimizations" in arguments or emptied,
    "configure_arguments": arguments,
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What an interpreter says about itself.

    ``optimised`` is whether it was built with profile-guided optimisation: by configure's
    ``--enable-optimizations``, or by Debian's own rules.
    """

    version: str
    path: str
    compiler: str
    optimised: bool
    configure_arguments: str

    def __str__(self) -> str:
        how = "with" if self.optimised else "without"
        return f"Python {self.version}, {self.path}, {self.compiler}, {how} PGO"


def describe(python: str) -> Interpreter:
    """Ask ``python``, the path of an interpreter or of a virtual environment's link to it."""
    answer = subprocess.run([python, "-c", _ASK], check=True, capture_output=True, text=True)
    return Interpreter(**json.loads(answer.stdout))
