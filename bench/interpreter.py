"""The Python interpreter of a benchmark, and the form of the core that it imports.

An interpreter without profile-guided optimisation is 1.4 times slower, and a compiled core takes
0.7 of the time of an uncompiled one, so results must name both.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

_ASK = """
import json, platform, sys, sysconfig
from importlib.util import find_spec
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
    "compiled_core": not find_spec("sip_stager.sip.parser").origin.endswith(".py"),
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
    compiled_core: bool = False

    def __str__(self) -> str:
        with_or_without = "with" if self.optimised else "without"
        core = "compiled" if self.compiled_core else "uncompiled"
        python = f"Python {self.version}, {self.path}, {self.compiler}, {with_or_without} PGO"
        return f"{python}, core {core}"


def describe(python: str) -> Interpreter:
    """Run the interpreter at the path ``python`` and return its build."""
    answer = subprocess.run([python, "-c", _ASK], check=True, capture_output=True, text=True)
    return Interpreter(**json.loads(answer.stdout))
