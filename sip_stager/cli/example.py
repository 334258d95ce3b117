"""The example command: the settings to start from."""

from importlib.resources import files
from typing import Annotated

import typer

_FOLDER = files("sip_stager") / "example"


def example(
    *,
    numbers: Annotated[
        bool,
        typer.Option("--numbers", help="Print the example of a CSV of numbers instead."),
    ] = False,
) -> None:
    """Print the example settings: every key, its default, and the reason for it.

    **Example:** `sip-stager example > sip_stager.toml`, put in your numbers and agents, then
    `sip-stager check --config sip_stager.toml`.

    **Exit codes:** 0 printed; 2 the command line is wrong.
    """
    name = "numbers.example.csv" if numbers else "sip_stager.example.toml"
    typer.echo((_FOLDER / name).read_text(encoding="utf-8"), nl=False)
