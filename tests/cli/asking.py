"""Helpers that run ``sip-stager route`` and ``check`` and parse their output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typer.testing import CliRunner, Result

from sip_stager.cli import app
from tests.config.settings_folder import AGENT, RIGHT, Folder

if TYPE_CHECKING:
    from collections.abc import Iterable

OTHER = "7c0b1d5e-3a52-4b53-9d55-0c1a4f1e2b77"
TRUNK = 'name = "carrier"\n'
SECOND = '[[trunks]]\nname = "second"\nnetworks = ["198.51.100.7"]\ncountry = "FR"\n'
SHARED = f"""[[numbers]]
number = "+3361*"
timezone = "Europe/Paris"
[[numbers.agents]]
agent = "{OTHER}"
days = ["sat"]
hours = ["20:00-23:00"]
[[numbers.agents]]
agent = "{AGENT}"
"""


def route(folder: Folder, text: str, *options: str) -> Result:
    path = folder.write("s.toml", text)
    return CliRunner().invoke(app, ["route", "--config", str(path), *options])


def steps(result: Result) -> dict[str, list[str]]:
    """Return the lines of the output by step."""
    return by_step(result.stdout.splitlines())


def by_step(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return lines by the name of their step."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lines:
        name = line[:15].strip() or name
        found.setdefault(name, []).append(line[15:])
    return found


def with_trunk(line: str) -> str:
    return RIGHT.replace(TRUNK, f"{TRUNK}{line}\n")


def check(folder: Folder, text: str, *options: str) -> Result:
    path = folder.write("s.toml", text)
    return CliRunner().invoke(app, ["check", "--config", str(path), *options])


def lines(result: Result) -> list[list[str]]:
    """Return the words of each line of the output."""
    return [line.split() for line in result.stdout.splitlines()]
