"""The command line: one file per command."""

from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from sip_stager import __version__
from sip_stager.cli.check import check
from sip_stager.cli.demo import demo
from sip_stager.cli.example import example
from sip_stager.cli.route import route
from sip_stager.cli.run import run


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))


class _Group(TyperGroup):
    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))


def _untyped(params: list[Any]) -> list[Any]:
    """Remove the type from flags: Typer shows ``<bool>`` behind options that take no value."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


app = typer.Typer(
    name="sip-stager",
    cls=_Group,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # pretty tracebacks print local variables, secrets among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(*, wanted: bool) -> None:
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


for _command in (run, check, route, demo, example):
    app.command(cls=_Command)(_command)
