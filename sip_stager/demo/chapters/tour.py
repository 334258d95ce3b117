"""Four calls that show what sip-stager does."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import Chapter, Scene, ScriptedCall
from sip_stager.model.vocabulary import StagingOutcome

_MEASURED = "It rang after {rang}: {warm_up} to warm up the agent, {overhead} for everything else."

TOUR = Chapter(
    name="tour",
    title="the quick tour",
    ring_time=0.3,
    talk_time=0.6,
    scenes=(
        Scene(
            name="good",
            title="a good call",
            about="The agent is warm after 150 ms; only then is the INVITE forwarded, with the id "
            "of this agent. The agent hangs up.",
            outcome=_MEASURED,
            softphone_hint="rings after 0.15 s, is answered",
            number="+33612345678",
            behaviour=Behaviour(delay=0.15),
            calls=(ScriptedCall(silent_for=0.15),),
        ),
        Scene(
            name="slow",
            title="a slow agent",
            about="The agent needs 1.5 s. The call is held for that long, and then the agent "
            "is ready at once. The caller hangs up.",
            outcome=_MEASURED,
            softphone_hint="rings after 1.5 s, is answered",
            number="+33612345679",
            behaviour=Behaviour(delay=1.5),
            calls=(ScriptedCall(silent_for=1.5, talk_time=0.3),),
        ),
        Scene(
            name="hangup",
            title="the caller gives up",
            about="The caller hangs up while the agent warms up. The caller is answered at once, "
            "the request to the API is closed, and the INVITE never reaches the agent.",
            outcome="The caller got 487 at once; no INVITE reached the agent.",
            softphone_hint="needs 3 s to warm up: hang up before",
            number="+33612345680",
            behaviour=Behaviour(delay=3.0),
            calls=(
                ScriptedCall(
                    cancel_after=0.5, final="487 Request Terminated", provisional=(), reaches=()
                ),
            ),
            closed_requests=1,
        ),
        Scene(
            name="down",
            title="the API is down",
            about="No agent can be staged. After two quick retries the call is refused, with the "
            "reason, so that the trunk can use another route.",
            outcome="The call was refused after {ended}; the response says why: {cause}.",
            softphone_hint="the API drops the connection: 480",
            number="+33612345681",
            behaviour=Behaviour(fault="hang_up"),
            calls=(
                ScriptedCall(
                    api_down=True,
                    final="480 Temporarily Unavailable",
                    provisional=(),
                    reaches=(),
                    cause=StagingOutcome.API_UNREACHABLE,
                ),
            ),
            staged_agents=(),
        ),
    ),
)
