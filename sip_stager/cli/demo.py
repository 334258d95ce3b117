"""The demo command: calls on this machine, from end to end."""

from typing import Annotated

import typer


def demo(
    *,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Go on serving, and say what to dial; Ctrl-C ends it."),
    ] = False,
) -> None:
    """Place a few calls on this machine, and show what happens.

    No account, no trunk and no key are needed: a caller, a voice agent and a fake of the staging
    API are built in, and the real proxy stands between them, all on free ports of 127.0.0.1.

    Each call is shown as a ladder: who said what to whom, and when (in ms). A good call, a slow
    agent, a caller who gives up, an API that is down; it takes some ten seconds.

    **Example:** `sip-stager demo --keep`, and then call it with a softphone.

    **Exit codes:** 0 every call went as it should; 1 one did not (the summary says what differed),
    or no port could be had; 130 interrupted while the calls were placed.
    """
    from sip_stager.demo.play import play  # noqa: PLC0415 (no other command needs the actors)

    raise typer.Exit(play(keep=keep))
