"""Prints the sentences and names that break the checkable rules of the project's language.

CONTRIBUTING.md states the rules.  ``tests/test_language.py`` holds them, over source, tests and
documents.  ``python3 tools/language.py [FOLDER]`` prints each breach with its line, and counts.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
CODE = ("sip_stager", "tests", "bench", "soak", "fuzz", "tools")
TEXTS = (
    *("*.md", "*.toml", "Makefile", ".github/**/*.*", ".ci/*", "config/*", "deploy/**/*.*"),
    *("docs/*.md", "docs/decisions/*.md", "sip_stager/**/*.toml", "tests/**/*.md"),
)
# The words themselves stand here, in the tests of the rules, and in the tables of old names.
EXEMPT = {"tools/language.py", "tests/test_language.py", "CONTRIBUTING.md"}
EXEMPT |= {"docs/conformance.md"}  # generated from docstrings, which are judged themselves
OLD_NAMES = {"CHANGELOG.md"}

OPENER = re.compile(r"(Give|Tell|Hear|Say|Name|Note|Let|Have|Gives|Tells|Hears|Says|Lets)\b")
CAN_NOT = re.compile(r"\bcan not\b(?! only)", re.IGNORECASE)
HE = re.compile(r"\b(?:he|his|him)\b", re.IGNORECASE)
LIMIT = re.compile(r"\b_?(?:[A-Z]+_)*(?:MOST|LEAST)(?:_[A-Z]+)*\b")
KEY = re.compile(r"\b[a-z]\w*_(?:most|least)\b")
LEAST = re.compile(r"(?:\w+_)?(?<!at_)(?:most|least)")
# "the caller who is", "say what is", "what is wrong": with a noun, or an indirect question.
BARE = re.compile(
    r"(?<!\w)(?:(?P<noun>\S+)\s+)?(?P<word>who|what)\s+"
    r"(?:is|are|was|were|has|have|had)\b(?! wrong| missing| left)",
    re.IGNORECASE,
)
PEOPLE = re.compile(
    r"(callers?|strangers?|peers?|operators?|readers?|people|\w+body|\w+one|those|anyone)$"
)
QUESTION = re.compile(
    r"(says?|said|shows?|knows?|known|decides?|asks?|sees?|explains?|checks?|finds? out)$"
)
QUOTED = re.compile(r'"[^"]*"|``[^`]*``')


class Breach(NamedTuple):
    """A sentence or a name that breaks a rule."""

    rule: str
    path: str
    line: int
    text: str


def breaches(root: Path = ROOT) -> Iterator[Breach]:
    """Yield every breach below a folder."""
    for path in files(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        yield from of_text(name, text)
        if path.suffix == ".py":
            yield from of_code(name, text)


def files(root: Path = ROOT) -> Iterator[Path]:
    """Yield the files that the rules are for."""
    found = {path for folder in CODE for path in (root / folder).rglob("*.py")}
    found |= {path for pattern in TEXTS for path in root.glob(pattern) if path.is_file()}
    return (path for path in sorted(found) if path.relative_to(root).as_posix() not in EXEMPT)


def of_text(path: str, text: str) -> Iterator[Breach]:
    """Yield the breaches that any line of text can have."""
    rules = [("cannot is one word", CAN_NOT), ("a person is they", HE), ("no MOST or LEAST", LIMIT)]
    if not path.endswith(".py") and path not in OLD_NAMES:
        rules.append(("no key ends in _most or _least", KEY))
    for number, line in enumerate(text.splitlines(), 1):
        yield from (
            Breach(rule, path, number, line.strip()) for rule, wrong in rules if wrong.search(line)
        )


def of_code(path: str, text: str) -> Iterator[Breach]:
    """Yield the breaches of docstrings, and of names that only a syntax tree shows."""
    for node in ast.walk(ast.parse(text)):
        breach = partial(Breach, path=path, line=getattr(node, "lineno", 1))
        if (docstring := docstring_of(node)) is not None:
            if OPENER.match(docstring):
                yield breach("a docstring opens plainly", text=docstring.splitlines()[0])
            for match in bare(docstring):
                yield breach("no bare who or what", text=match)
        if LEAST.fullmatch(name_of(node)):
            yield breach("no MOST or LEAST", text=name_of(node))


def docstring_of(node: ast.AST) -> str | None:
    """Return the docstring of a module, class or function."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return ast.get_docstring(node) if isinstance(node, documented) else None


def bare(docstring: str) -> Iterator[str]:
    """Yield each "who is" without a noun, and each "what is" that is no indirect question."""
    text = " ".join(QUOTED.sub('""', docstring).split())
    for match in BARE.finditer(text):
        before = (match["noun"] or "").lower()
        allowed = QUESTION if match["word"].lower() == "what" else PEOPLE
        if not allowed.search(before):
            yield text[max(0, match.start() - 20) : match.end() + 30]


def name_of(node: ast.AST) -> str:
    """Return the name that a node binds or reads."""
    match node:
        case ast.arg(arg=name) | ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.keyword(arg=str(name)):
            return name
    return ""


def figures(root: Path) -> dict[str, str]:
    """Return what the rules do not judge, and a reader may want to know."""
    lines = [
        line.strip()
        for path in (root / "sip_stager").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    comments = sum(line.startswith("#") for line in lines)
    openers = Counter(
        breach.path.split("/")[0]
        for breach in breaches(root)
        if breach.rule == "a docstring opens plainly"
    )
    readme = (root / "README.md").read_text(encoding="utf-8").splitlines()
    return {
        "docstrings with a banned opener": str(dict(openers)),
        "names with MOST or LEAST": str(len(limit_names(root))),
        "comment lines of the package": f"{comments} of {len(lines)}: {comments / len(lines):.1%}",
        "lines of the README": str(len(readme)),
    }


def limit_names(root: Path) -> set[str]:
    """Return the different names that hold MOST or LEAST in the package."""
    return {
        name
        for path in (root / "sip_stager").rglob("*.py")
        for name in LIMIT.findall(path.read_text(encoding="utf-8"))
    }


def main(arguments: list[str]) -> None:
    """Print the breaches below a folder, and the figures."""
    root = Path(arguments[0]) if arguments else ROOT
    found = list(breaches(root))
    for breach in found:
        print(f"{breach.path}:{breach.line}: {breach.rule}: {breach.text[:120]}")
    for rule, number in sorted(Counter(breach.rule for breach in found).items()):
        print(f"{number:5} {rule}")
    for name, figure in figures(root).items():
        print(f"{name}: {figure}")


if __name__ == "__main__":
    main(sys.argv[1:])
