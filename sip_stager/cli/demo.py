"""The demo command: calls on this machine, from end to end."""

from typing import Annotated

import typer

from sip_stager.config.suggestions import did_you_mean


def demo(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="chapters (tour, policies, ringing, claims, stress, upstream, agents) "
            "or scenes of them; default: tour",
        ),
    ] = None,
    *,
    listed: Annotated[bool, typer.Option("--list", help="List all chapters and scenes.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Play all chapters.")] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Keep serving, and show what to dial; Ctrl-C ends it."),
    ] = False,
) -> None:
    """Place a few calls on this machine, and show what happens.

    No account, trunk or key is needed: a caller, a voice agent and a fake of the staging API are
    built in, and the real proxy stands between them, all on free ports of 127.0.0.1.

    Each call is shown as a ladder of messages with their times in ms. The **tour** takes about ten
    seconds: a good call, a slow agent, a caller who hangs up, an API that is down.

    **policies** shows what happens to callers whose agent cannot be staged, **ringing** what they
    hear meanwhile, **claims** how no call is staged twice (a redial, a carrier's second attempt, a
    407), **stress** an API that fails or is overloaded, **upstream** the platform's second address,
    **agents** which agent answers, and the variables that it gets.

    **Examples:** `sip-stager demo ringing claims`, `sip-stager demo redial breaker`; or `sip-stager
    demo --keep`, and then call it with a softphone.

    **Exit codes:** 0 every call went as expected; 1 a call did not (the summary shows the
    difference), or no port was free; 2 there is no chapter or scene of that name; 130 interrupted
    while calls were placed; 141 the reader of the output closed it (`| head`).
    """
    from sip_stager.demo import chapters, runner  # noqa: PLC0415 (no other command needs the actors)

    if listed:
        runner.print_contents()
        return
    if unknown := sorted({*(names or ())} - chapters.NAMES):
        near = did_you_mean(unknown[0], chapters.NAMES)
        raise typer.BadParameter(
            f'there is no chapter or scene "{unknown[0]}": {near}`sip-stager demo --list` has all'
        )
    wanted = chapters.NAMES if everything else names or ["tour"]
    raise typer.Exit(runner.run_demo(chapters.select_chapters(wanted), keep=keep))
