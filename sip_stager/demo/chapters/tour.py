"""Four calls that show what it is all about."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import Act, Chapter, Scene

_MEASURED = "It rang after {rang}: {warming} to warm the agent up, {rest} for all else."

TOUR = Chapter(
    name="tour",
    title="the quick tour",
    rings=0.3,
    talks=0.6,
    scenes=(
        Scene(
            name="good",
            title="a good call",
            about="The agent is warm in 150 ms; only then does the INVITE go on, with the id that "
            "leads to it. The agent hangs up.",
            shown=_MEASURED,
            promised="rings after 0.15 s, is answered",
            number="+33612345678",
            behaviour=Behaviour(delay=0.15),
            acts=(Act(silent_for=0.15),),
        ),
        Scene(
            name="slow",
            title="a slow agent",
            about="The agent needs 1.5 s. Nothing rings into the void: the call is held for as "
            "long, and then the agent is there at once. The caller hangs up.",
            shown=_MEASURED,
            promised="rings after 1.5 s, is answered",
            number="+33612345679",
            behaviour=Behaviour(delay=1.5),
            acts=(Act(silent_for=1.5, talks=0.3),),
        ),
        Scene(
            name="hangup",
            title="the caller gives up",
            about="The caller hangs up while the agent warms up. The caller is answered at once, "
            "the API is told by a closed connection, and the agent never hears of the call.",
            shown="The caller was let go at once; the agent was not disturbed.",
            promised="needs 3 s to warm up: hang up before",
            number="+33612345680",
            behaviour=Behaviour(delay=3.0),
            acts=(Act(cancel_after=0.5, final="487 Request Terminated", hears=(), reaches=()),),
            closed=1,
        ),
        Scene(
            name="down",
            title="the API is down",
            about="No agent can be staged. The caller is refused at once, with the reason, so that "
            "the trunk can try elsewhere.",
            shown="The caller was refused after {over}, and knows why: {cause}.",
            promised="the API drops the connection: 503",
            number="+33612345681",
            behaviour=Behaviour(fault="hang_up"),
            acts=(
                Act(
                    api_down=True,
                    final="503 Service Unavailable",
                    hears=(),
                    reaches=(),
                    cause="api_unreachable",
                ),
            ),
            asked=(),
        ),
    ),
)
