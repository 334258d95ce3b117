"""``sip-stager example`` prints the examples of the package."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import sip_stager
from sip_stager.cli import app
from sip_stager.config import load

FOLDER = Path(sip_stager.__file__).parent / "example"


@pytest.mark.parametrize(
    ("options", "name"), [((), "sip_stager.example.toml"), (("--numbers",), "numbers.example.csv")]
)
def test_the_example_is_printed_byte_for_byte(options: tuple[str, ...], name: str) -> None:
    printed = CliRunner().invoke(app, ["example", *options])
    assert printed.exit_code == 0
    assert printed.stdout_bytes == (FOLDER / name).read_bytes()


def test_the_printed_example_loads(tmp_path: Path) -> None:
    settings = tmp_path / "sip_stager.toml"
    settings.write_bytes(CliRunner().invoke(app, ["example"]).stdout_bytes)
    assert load(settings, {"ROUNDED_API_KEY": "x"}).numbers
