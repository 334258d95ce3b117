"""The command line: one file a command."""

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from sip_stager import __version__
from sip_stager.cli.check import check
from sip_stager.cli.settings_file import ConfigOption, load_or_exit

app = typer.Typer(
    name="sip-stager",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # pretty tracebacks print local variables, secrets among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 (typer calls it)
    if wanted:
        typer.echo(f"sip-stager {__version__}")
        raise typer.Exit


@app.callback(epilog="Try it without an account or a trunk: `sip-stager demo`")
def _program(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Hold each call from a trunk until its voice agent is ready, then send it on.

    A SIP edge proxy: an INVITE comes in, the agent of the dialled number is staged over HTTP, and
    the INVITE goes on upstream with X-Rounded-Call-Id.

    **Exit codes:** 0 all is well; 1 something failed while running; 2 the command line
    or the settings are wrong.
    """


@app.command()
def run(config: ConfigOption) -> None:
    """Take calls until told to stop.

    Writes its log to stdout, one JSON object a line. SIGINT and SIGTERM stop it.

    **Example:** `ROUNDED_API_KEY=... sip-stager run --config sip_stager.toml`

    **Exit codes:** 0 it was told to stop; 1 it could not start, because an address or a port could
    not be had; 2 the settings are wrong (see `sip-stager check --help`).
    """
    settings = load_or_exit(config)
    from sip_stager.cli.run import serve  # noqa: PLC0415 (no other command needs the server)

    raise typer.Exit(serve(settings))


app.command()(check)
if find_spec(f"{__name__}.demo"):
    app.command()(import_module(f"{__name__}.demo").demo)


def main() -> None:
    """Run the command line."""
    app(prog_name="sip-stager")
