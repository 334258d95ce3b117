"""Writes docs/settings.md from the example settings and the models (``make settings``).

The example has the text of each key, the models its values and its default; tests hold the example
to the models, so that no text stands twice.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sip_stager.config import Settings
from sip_stager.config.tables.policy import DEFAULTS, CallPolicy
from sip_stager.config.tables.settings import INNER_TABLES, TABLES
from tools.example_settings import EXAMPLE, sections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from tools.example_settings import Key, Section

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs/settings.md"
MODELS: dict[str, type[BaseModel]] = {
    "": Settings,
    **TABLES,
    **{".".join(name): model for name, model in INNER_TABLES.items()},
}
_PLAIN = {
    ("boolean", None): "`true`, `false`",
    ("string", "uuid"): "UUID",
    ("string", "path"): "path",
    ("object", None): "table",
    (None, None): "table",
}
INTRODUCTION = """\
# Settings

Written by `make settings` from the [example settings]({example})
and the models: do not edit it. `sip-stager example > sip_stager.toml` prints the example, and
`sip-stager check` finds mistakes.
"""


def values(schema: dict[str, Any]) -> str:
    """Return the values that a JSON schema allows, in words."""
    if "anyOf" in schema:
        found = [values(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(found))
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if schema.get("type") in {"integer", "number"}:
        return _numbers(schema)
    if schema.get("type") == "array":
        items = schema["items"]
        return "treatments" if "Treatment" in str(items) else f"list of {values(items)}"
    return _PLAIN.get((schema.get("type"), schema.get("format")), "text")


def _numbers(schema: dict[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    bounds = [f"{word} {schema[key]:,}" for key, word in words.items() if key in schema]
    kind = "whole number" if schema["type"] == "integer" else "number"
    return " ".join([kind, *bounds])


def default(table: str, key: Key) -> str:
    """Return a key's default, as the file would have it."""
    field = MODELS[table].model_fields[key.name]
    if field.is_required():
        return "must be set"
    if field.default_factory:
        return "of other keys" if field.default_factory_takes_validated_data else "`{}`"
    of_policy = MODELS[table] is CallPolicy and key.name in DEFAULTS.model_fields_set
    if field.default is None and not of_policy:
        return "none"
    return f"`{json.dumps(field.default) if key.given else key.value}`"


def cell(lines: list[str]) -> str:
    """Join a text's lines for a cell, with what Markdown would read escaped."""
    parts = " ".join(lines).split("`")
    parts[::2] = [re.sub(r"([|*<])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def table(section: Section) -> Iterator[str]:
    """Yield the rows of a table's keys."""
    model = MODELS[section.table]
    properties = model.model_json_schema()["properties"]
    yield "| Key | Values | Default | Meaning |"
    yield "|---|---|---|---|"
    above = ""
    for key in section.keys:
        text = cell(key.text) if key.text or not above else f"See `{above}`."
        above = key.name if key.text else above
        kind = values(properties[key.name])
        yield f"| `{key.name}` | {kind} | {default(section.table, key)} | {text} |"


def prose(lines: list[str]) -> Iterator[str]:
    """Yield a text's lines, with indented ones as a block."""
    block = False
    for line in lines:
        if line.startswith("  ") != block:
            block = not block
            yield from ["", "```text"] if block else ["```", ""]
        yield line.removeprefix("  ")
    if block:
        yield "```"


def chapter(section: Section) -> Iterator[str]:
    """Yield the section of one table."""
    if section.header:
        title = f": {section.title}" if section.title else ""
        yield from [f"## `{section.header}`{title}", ""]
    yield from prose(section.text)
    yield ""
    if section.table in MODELS:
        yield from table(section)
    else:
        yield from ["```toml", *(f"{key.name} = {key.value}" for key in section.keys), "```"]
    yield ""


def page() -> str:
    """Return the whole page."""
    example = f"../{EXAMPLE.relative_to(ROOT).as_posix()}"
    lines = [INTRODUCTION.format(example=example)]
    for section in sections():
        lines += chapter(section)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def main() -> int:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)} is written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
