"""The Python interpreter of a benchmark.

A build without profile-guided optimisation is 1.4 times slower, so results must name it.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

_ASK = """
import json, platform, sys, sysconfig
arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
compiler = platform.python_compiler()
# Debian and Ubuntu run the profiled build with their own rules instead of the configure option, and
# then clear the flag that configure sets for these compilers in every build.
cleared = sysconfig.get_config_var("PGO_PROF_USE_FLAG") == "" and compiler.startswith(
    ("GCC", "Clang")
)
print(json.dumps({
    "version": platform.python_version(),
    "path": sys._base_executable,
    "compiler": compiler,
    "optimised": "--enable-optimizations" in arguments or cleared,
    "configure_arguments": arguments,
}))
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The build of an interpreter.

    ``optimised`` means profile-guided optimisation, by configure's ``--enable-optimizations`` or by
    Debian's own rules.
    """

    version: str
    path: str
    compiler: str
    optimised: bool
    configure_arguments: str

    def __str__(self) -> str:
        with_or_without = "with" if self.optimised else "without"
        return f"Python {self.version}, {self.path}, {self.compiler}, {with_or_without} PGO"


def describe(python: str) -> Interpreter:
    """Run the interpreter at the path ``python`` and return its build."""
    answer = subprocess.run([python, "-c", _ASK], check=True, capture_output=True, text=True)
    return Interpreter(**json.loads(answer.stdout))
