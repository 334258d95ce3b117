"""The fake API as a program of its own."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from sip_stager.demo.behaviour import Behaviour
from sip_stager.demo.fake_platform import BEHAVIOURS, FakeApi
from sip_stager.demo.phone_numbers import read_numbers

_BEHAVIOURS_HELP = (
    'JSON: behaviours by agent id or dialled number, as {"default": {"delay": 0.15, "variables": '
    '{"brand": "string"}}}. The one named default is for all others, and --delay is of no use '
    f"beside it. A behaviour has any of {', '.join(Behaviour.model_fields)}; "
    "sip_stager/demo/behaviour.py says what each is."
)
_NUMBERS_HELP = (
    "The list of numbers, for the setting numbers_refresh_interval, "
    "as GET /v1/phone-numbers gives it; "
    '[{"number": "+33612345678", "inbound_agent_id": "UUID"}] is enough.'
)


def main(
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
    host: str = "127.0.0.1",
    key: Annotated[str, typer.Option(help="The X-Api-Key to ask for.")] = "demo-key",
    delay: Annotated[float, typer.Option(help="Seconds until a call is staged.")] = 0.0,
    behaviours: Annotated[str, typer.Option(metavar="JSON", help=_BEHAVIOURS_HELP)] = "{}",
    numbers: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help=_NUMBERS_HELP)
    ] = None,
) -> None:
    """Serve the fake staging API until interrupted.

    GET /_fake/stats shows what it has seen; PUT /_fake/behaviours changes what --behaviours said,
    PUT /_fake/phone-numbers what --numbers did.
    """
    try:
        by = BEHAVIOURS.validate_json(behaviours)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--behaviours") from None
    default = by.pop("default", Behaviour(delay=delay))
    items = _items(numbers) if numbers else []

    async def serve() -> None:
        api = FakeApi(default, by, key=key)
        api.phone_numbers.items = items
        await api.serve(host, port)
        typer.echo(f"fake staging API ready on {api.url}")
        await asyncio.Event().wait()

    try:
        uvloop.run(serve())
    except KeyboardInterrupt:
        raise typer.Exit from None


def _items(file: Path) -> list[dict[str, object]]:
    try:
        return read_numbers(file.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--numbers") from None


if __name__ == "__main__":
    typer.run(main)
