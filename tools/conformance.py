"""Writes docs/conformance.md from the docstrings of the tests and tests/conformance/left_out.toml.

A paragraph of a test's docstring that starts with a place in an RFC is a rule that the test holds:

    RFC 3261 16.7 step 6: "If there are no final responses in the context, the proxy MUST ..."
    RFC 3261 9.1, 16.10: a re-INVITE is cancelled as well.
    RFC 3261 15.
    Beyond the RFCs: a connection that does not open is given up after 2 s.

Quotation marks hold the RFC's own sentence.  Where nothing follows the place, the name of the
test is the rule.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/conformance.md"
LEFT_OUT = ROOT / "tests/conformance/left_out.toml"
BEYOND = "Beyond the RFCs"

# A place is a chapter with whatever narrows it: "16.7 step 6", "17.2.1, figure 7", "4.1 to 4.10".
_WORD = r"(?:\d+(?:\.\d+)*|steps?|figure|erratum|Sequential Search|and|with|to|RFC)"
_RULE = re.compile(rf"(RFC \d+(?:,? {_WORD})*|{BEYOND})(?:: (.+)|\.)", re.DOTALL)

RFCS = {
    "RFC 3261": "SIP",
    "RFC 3262": "Reliability of provisional responses",
    "RFC 3263": "Locating SIP servers",
    "RFC 3311": "The UPDATE method",
    "RFC 3323": "A privacy mechanism",
    "RFC 3325": "Asserted identity",
    "RFC 3326": "The Reason header field",
    "RFC 3515": "The REFER method",
    "RFC 3581": "Symmetric response routing (rport)",
    "RFC 3891": "The Replaces header field",
    "RFC 4028": "Session timers",
    "RFC 4320": "Actions addressing identified issues with the non-INVITE transaction",
    "RFC 4321": "Problems identified associated with the non-INVITE transaction",
    "RFC 4475": "Torture test messages",
    "RFC 4694": "Number portability parameters of the tel URI",
    "RFC 5118": "Torture test messages for IPv6",
    "RFC 5393": "Amplification vulnerability in forking proxies",
    "RFC 5407": "Example call flows of race conditions",
    "RFC 5626": "Client-initiated connections",
    "RFC 5658": "Addressing Record-Route issues",
    "RFC 5923": "Connection reuse",
    "RFC 6026": "Correct transaction handling for 2xx responses to INVITE requests",
    "RFC 6086": "The INFO method",
    BEYOND: "Limits and rules of this program",
}
CHAPTERS = {
    6: "Definitions",
    7: "SIP messages",
    8: "General user agent behavior",
    9: "Canceling a request",
    11: "Querying for capabilities",
    12: "Dialogs",
    13: "Initiating a session",
    14: "Modifying an existing session",
    15: "Terminating a session",
    16: "Proxy behavior",
    17: "Transactions",
    18: "Transport",
    19: "Common message components",
    20: "Header fields",
    21: "Response codes",
    22: "Usage of HTTP authentication",
    25: "Augmented BNF for the SIP protocol",
    26: "Security considerations",
}
INTRODUCTION = """\
# Which rule of the RFCs is held by which test

Written by `make conformance` from the docstrings of the tests: do not edit it. To change a rule,
change the docstring; to leave one out, add it with its reason to
[tests/conformance/left_out.toml](../tests/conformance/left_out.toml).

A rule in quotation marks is the RFC's own sentence, any other is in our words; where a test's name
says it all, the name is the rule. `.venv/bin/python -m pytest tests -k NAME` runs one test.

The timers of transactions are tested with three settings of T1, T2 and T4, over datagrams and over
streams; the transport over real sockets, under asyncio and uvloop. The tests in `tests/interop` run
the program between SIPp and Kamailio.

{rules} rules are held by {tests} tests, {left_out} are [left out](#left-out).
"""


class Rule(NamedTuple):
    """A rule that a test holds; ``text`` is empty where the test's name is the rule."""

    place: str
    text: str
    path: str
    test: str


class Omission(NamedTuple):
    """A rule that the program does not follow, and the reason."""

    place: str
    rule: str
    reason: str


def rule_of(paragraph: str) -> tuple[str, str] | None:
    """Return the place and the text of a rule, or None if a paragraph is none."""
    found = _RULE.fullmatch(" ".join(paragraph.split()))
    return (found[1], found[2] or "") if found else None


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and docstring of each test of a file, and of each class."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if isinstance(node, ast.ClassDef) or node.name.startswith("test_"):
            yield node.name, ast.get_docstring(node) or ""


def test_files() -> list[Path]:
    """Return all files with tests, sorted."""
    return sorted((ROOT / "tests").rglob("test_*.py"))


def rules() -> Iterator[Rule]:
    """Yield every rule that a docstring states, file by file."""
    for path in test_files():
        for name, text in docstrings(path):
            for paragraph in text.split("\n\n"):
                if found := rule_of(paragraph):
                    yield Rule(*found, path.relative_to(ROOT).as_posix(), name)


def omissions() -> list[Omission]:
    """Read the rules that are left out."""
    document = tomllib.loads(LEFT_OUT.read_text(encoding="utf-8"))
    return [Omission(row["where"], row["rule"], row["reason"]) for row in document["rule"]]


def split(place: str) -> tuple[str, str]:
    """Split a place into its RFC and what follows: "RFC 3261", "16.7 step 6"."""
    if place == BEYOND:
        return place, ""
    words = place.split(" ", 2)
    return " ".join(words[:2]).rstrip(","), words[2] if len(words) > 2 else ""


def order(place: str) -> tuple[bool, str, list[int], str]:
    """Sort by RFC, then by chapter and step; what goes beyond them comes last."""
    rfc, section = split(place)
    chapter = re.match(r"[\d.]*", section)
    numbers = [int(n) for n in re.findall(r"\d+", chapter[0])] if chapter else []
    steps = re.findall(r"\d+", section[chapter.end() :]) if chapter else []
    return rfc == BEYOND, rfc, numbers, " ".join(f"{int(n):4}" for n in steps)


def chapter(place: str) -> int | None:
    """Return the chapter of RFC 3261 that a place is in; None for any other RFC."""
    rfc, section = split(place)
    return int(re.findall(r"\d+", section)[0]) if rfc == "RFC 3261" else None


def cell(text: str) -> str:
    """Escape a text for a cell of a table, and begin it with a capital letter."""
    text = re.sub(r"([|*<])", r"\\\1", text).replace("``", "`")
    return text[:1].upper() + text[1:]


def link(rule: Rule) -> str:
    """Return a link to a test's file, which bears the test's name."""
    return f"[`{rule.test}`](../{rule.path})"


def table(held: list[Rule]) -> Iterator[str]:
    """Yield a table of rules; the tests of one rule share its row."""
    yield "| Section | Rule | Tests |"
    yield "|---|---|---|"
    rows: dict[tuple[str, str], list[Rule]] = {}
    for rule in held:
        text = rule.text or rule.test.removeprefix("test_").replace("_", " ") + "."
        rows.setdefault((split(rule.place)[1], text), []).append(rule)
    for (section, text), tests in rows.items():
        yield f"| {section or '-'} | {cell(text)} | {'<br>'.join(map(link, tests))} |"


def groups(held: Iterable[Rule]) -> dict[tuple[str, int | None], list[Rule]]:
    """Group sorted rules by RFC, and those of RFC 3261 by chapter."""
    found: dict[tuple[str, int | None], list[Rule]] = {}
    for rule in sorted(held, key=lambda rule: order(rule.place)):
        found.setdefault((split(rule.place)[0], chapter(rule.place)), []).append(rule)
    return found


def page() -> str:
    """Return the whole page."""
    held, left_out = list(rules()), omissions()
    tests = {(rule.path, rule.test) for rule in held}
    lines = [
        INTRODUCTION.format(
            rules=len({(rule.place, rule.text or rule.test) for rule in held}),
            tests=len(tests),
            left_out=len(left_out),
        )
    ]
    before = ""
    for (rfc, number), found in groups(held).items():
        if rfc != before:
            lines += [f"## {rfc}: {RFCS[rfc]}" if rfc != BEYOND else f"## {RFCS[rfc]}", ""]
        if number is not None:
            lines += [f"### {number} {CHAPTERS[number]}", ""]
        lines += [*table(found), ""]
        before = rfc
    lines += ["## Left out", "", "| Place | Rule | Reason |", "|---|---|---|"]
    for one in sorted(left_out, key=lambda one: order(one.place)):
        lines.append(f"| {one.place} | {cell(one.rule)} | {cell(one.reason)} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
