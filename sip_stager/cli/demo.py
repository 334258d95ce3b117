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
            "or scenes of them; the tour where there is none",
        ),
    ] = None,
    *,
    listed: Annotated[bool, typer.Option("--list", help="List all chapters and scenes.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Play all of them.")] = False,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Go on serving, and say what to dial; Ctrl-C ends it."),
    ] = False,
) -> None:
    """Place a few calls on this machine, and show what happens.

    No account, no trunk and no key are needed: a caller, a voice agent and a fake of the staging
    API are built in, and the real proxy stands between them, all on free ports of 127.0.0.1.

    Each call is shown as a ladder: who said what to whom, and when (in ms). The **tour** is a good
    call, a slow agent, a caller who gives up, an API that is down; it takes some ten seconds.

    **policies** shows what callers get whose agent can not be staged, **ringing** what they hear
    meanwhile, **claims** how no call is staged twice (a redial, a carrier's second attempt, 407),
    **stress** an API that fails or has too much to do, **upstream** the platform's other address,
    **agents** who answers, and what he knows.

    **Examples:** `sip-stager demo ringing claims`, `sip-stager demo redial breaker`; or
    `sip-stager demo --keep`, and then call it with a softphone.

    **Exit codes:** 0 every call went as it should; 1 one did not (the summary says what differed),
    or no port could be had; 2 there is no such name; 130 interrupted while the calls were placed;
    141 nobody reads on (`| head`).
    """
    from sip_stager.demo import chapters, play  # noqa: PLC0415 (no other command needs the actors)

    if listed:
        play.show_contents()
        return
    if unknown := sorted({*(names or ())} - chapters.NAMES):
        near = did_you_mean(unknown[0], chapters.NAMES)
        raise typer.BadParameter(
            f'there is no chapter or scene "{unknown[0]}": {near}`sip-stager demo --list` has all'
        )
    wanted = chapters.NAMES if everything else names or ["tour"]
    raise typer.Exit(play.play(chapters.chosen(wanted), keep=keep))
