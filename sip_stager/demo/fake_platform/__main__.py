"""The fake API as a program."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.fake_platform.number_list import parse_numbers
from sip_stager.demo.fake_platform.server import BEHAVIOURS, FakeApi

_BEHAVIOURS_HELP = (
    'JSON: behaviours by agent id or dialled number, such as {"default": {"delay": 0.15, '
    '"variables": {"brand": "string"}}}. "default" applies to all other calls and replaces '
    f"--delay. The fields of a behaviour are {', '.join(Behaviour.model_fields)}; "
    "sip_stager/demo/fake_platform/behaviour.py documents them."
)
_NUMBERS_HELP = (
    "A JSON file with the platform's numbers (setting numbers_refresh_interval), in the format "
    "of GET /v1/phone-numbers; "
    '[{"number": "+33612345678", "inbound_agent_id": "UUID"}] is enough.'
)


def main(
    port: Annotated[int, typer.Option(help="0 chooses a free port.")] = 0,
    host: str = "127.0.0.1",
    key: Annotated[str, typer.Option(help="The X-Api-Key that clients must send.")] = "demo-key",
    delay: Annotated[float, typer.Option(help="Seconds until a call is staged.")] = 0.0,
    behaviours: Annotated[str, typer.Option(metavar="JSON", help=_BEHAVIOURS_HELP)] = "{}",
    numbers: Annotated[
        Path | None, typer.Option(metavar="FILE", exists=True, dir_okay=False, help=_NUMBERS_HELP)
    ] = None,
) -> None:
    """Serve the fake staging API until interrupted.

    GET /_fake/stats returns its statistics; PUT /_fake/behaviours and PUT /_fake/phone-numbers
    replace what --behaviours and --numbers have set.
    """
    try:
        parsed = BEHAVIOURS.validate_json(behaviours)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--behaviours") from None
    default = parsed.pop("default", Behaviour(delay=delay))
    items = _parse_file(numbers) if numbers else []

    async def serve() -> None:
        api = FakeApi(default, parsed, key=key)
        api.phone_numbers.items = items
        await api.serve(host, port)
        typer.echo(f"fake staging API ready on {api.url}")
        await asyncio.Event().wait()

    try:
        uvloop.run(serve())
    except KeyboardInterrupt:
        raise typer.Exit from None


def _parse_file(file: Path) -> list[dict[str, object]]:
    try:
        return parse_numbers(file.read_bytes())
    except ValueError as error:
        raise typer.BadParameter(f"{file}: {error}", param_hint="--numbers") from None


if __name__ == "__main__":
    typer.run(main)
