"""What a caller gets whose call cannot be staged: each treatment, each for another cause."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import (
    AGENT,
    COLD,
    QUEUE,
    QUEUE_URI,
    SECOND_AGENT,
    Act,
    Chapter,
    Scene,
)

POLICIES = Chapter(
    name="policies",
    title="a policy for every outcome",
    about="A call that can not be staged is treated as its number says, by the cause.",
    api={"retries": 0},
    scenes=(
        Scene(
            name="forward",
            title="on without an agent",
            about="The API's answer breaks off. A cold agent is better than none: the call "
            "goes on without X-Rounded-Call-Id, and the agent warms up while the caller waits.",
            shown="A cold agent took the call; it rang after {rang}.",
            number="+33612345701",
            settings={"policy": {"api_unreachable": "forward"}},
            behaviour=Behaviour(fault="truncated_body"),
            acts=(Act(reaches=(COLD,), cause="api_unreachable", treated=("forward",)),),
        ),
        Scene(
            name="refuse",
            title="refused by code",
            about="The API does not know the agent. The caller gets the code and the words that "
            "the number names.",
            shown="603 Not now, and the trunk's log says why: {cause}.",
            number="+33612345702",
            settings={"policy": {"refused": "refuse 603 Not now"}},
            behaviour=Behaviour(status=404, message="Agent not found"),
            acts=(
                Act(final="603 Not now", retry_after="5", hears=(), reaches=(), cause="refused"),
            ),
        ),
        Scene(
            name="busy",
            title="the API is busy",
            about="The API has too much to do (429). The caller gets a code on which this carrier "
            "tries its next route, and when to come again.",
            shown="480, which this carrier takes elsewhere, with Retry-After.",
            number="+33612345703",
            settings={"policy": {"busy": "refuse", "refusal": 480}},
            behaviour=Behaviour(status=429, message="Too many requests"),
            acts=(
                Act(
                    final="480 Temporarily Unavailable",
                    retry_after="5",
                    hears=(),
                    reaches=(),
                    cause="busy",
                ),
            ),
        ),
        Scene(
            name="redirect",
            title="to a human queue",
            about="The agent is not ready in time. The same INVITE goes to people instead, and the "
            "request to the API is closed.",
            shown="People took the call; it rang after {rang}.",
            number="+33612345704",
            settings={"policy": {"timeout": f"redirect {QUEUE_URI}", "deadline": 0.3}},
            behaviour=Behaviour(delay=3.0),
            acts=(Act(silent_for=0.3, reaches=(QUEUE,), cause="timeout", treated=("redirect",)),),
            closed=1,
        ),
        Scene(
            name="moved",
            title="a 302 to the trunk",
            about="The API says yes, and gives no call id. The trunk gets a 302, and follows it by "
            "itself.",
            shown="302, with the address of the queue in its Contact.",
            number="+33612345705",
            settings={"policy": {"invalid_response": f"moved {QUEUE_URI}"}},
            behaviour=Behaviour(fault="no_call_id"),
            acts=(
                Act(
                    final="302 Moved Temporarily",
                    contact=f"<{QUEUE_URI}>",
                    hears=(),
                    reaches=(),
                    cause="invalid_response",
                    treated=("moved",),
                ),
            ),
        ),
        Scene(
            name="instead",
            title="another agent",
            about="The API says no to the number's agent (403). Another one is staged, once, "
            "within what is left of the time.",
            shown="The second agent was staged, and took the call after {rang}.",
            number="+33612345706",
            settings={"agent": SECOND_AGENT, "policy": {"refused": [f"agent {AGENT}", "refuse"]}},
            agents={SECOND_AGENT: Behaviour(status=403, message="This agent is not yours")},
            acts=(Act(cause="refused", treated=("agent",)),),
            asked=(SECOND_AGENT, AGENT),
        ),
    ),
)
