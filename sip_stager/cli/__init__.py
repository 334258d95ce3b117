"""The command line: one file per command, which is loaded only if the command is called."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from sip_stager import __version__

_NAMES = ("run", "check", "route", "find", "calls", "trace", "demo", "example")
"""The commands in the order of the help; each is a function in the module of its name."""


class _Command(TyperCommand):
    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))


class _Commands(Mapping[str, Any]):
    """The commands by name; the module of one is imported when it is asked for.

    All of them would cost ``run`` half a second of CPU.
    """

    def __getitem__(self, name: str) -> Any:
        if name not in _NAMES:
            raise KeyError(name)
        command = getattr(import_module(f"sip_stager.cli.{name}"), name)
        program = typer.Typer(add_completion=False, rich_markup_mode=app.rich_markup_mode)
        program.command(cls=_Command)(command)
        return get_command(program)

    def __iter__(self) -> Iterator[str]:
        return iter(_NAMES)

    def __len__(self) -> int:
        return len(_NAMES)


class _Group(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": _Commands()})

    def get_params(self, ctx: Any) -> list[Any]:
        return _untyped(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (Typer's signature)
        # Typer's own method goes through the items, and would import every command.
        return list(self.commands)


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
