"""What happens to calls that cannot be staged: each treatment, each for a different cause."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import (
    AGENT,
    COLD,
    QUEUE,
    QUEUE_URI,
    SECOND_AGENT,
    Chapter,
    Scene,
    ScriptedCall,
)
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind

POLICIES = Chapter(
    name="policies",
    title="a policy for every failure",
    about="If a call cannot be staged, the policy of its number decides what happens, by cause.",
    api={"retries": 0},
    scenes=(
        Scene(
            name="forward",
            title="without an agent",
            about="The API closes the connection in the middle of its answer. The call is "
            "forwarded without X-Rounded-Call-Id, and the agent warms up while the caller waits.",
            outcome="A cold agent answered; it rang after {rang}.",
            number="+33612345701",
            settings={"policy": {"api_unreachable": "forward"}},
            behaviour=Behaviour(fault="truncated_body"),
            calls=(
                ScriptedCall(
                    reaches=(COLD,),
                    cause=StagingOutcome.API_UNREACHABLE,
                    treatments=(TreatmentKind.FORWARD,),
                ),
            ),
        ),
        Scene(
            name="refuse",
            title="refused with a code",
            about="The API does not know the agent. The caller gets the status code and reason "
            "phrase of the number's policy.",
            outcome="603 Not now; the log says why: {cause}.",
            number="+33612345702",
            settings={"policy": {"refused": "refuse 603 Not now"}},
            behaviour=Behaviour(status=404, message="Agent not found"),
            calls=(
                ScriptedCall(
                    final="603 Not now",
                    retry_after="",
                    provisional=(),
                    reaches=(),
                    cause=StagingOutcome.REFUSED,
                ),
            ),
        ),
        Scene(
            name="busy",
            title="the API is busy",
            about="The API is overloaded (429). The carrier gets a code on which it tries its "
            "next route, and no Retry-After, which would keep its other calls away.",
            outcome="480 without Retry-After, which this carrier reroutes.",
            number="+33612345703",
            settings={"policy": {"busy": "refuse 480 Next route"}},
            behaviour=Behaviour(status=429, message="Too many requests"),
            calls=(
                ScriptedCall(
                    final="480 Next route",
                    retry_after="",
                    provisional=(),
                    reaches=(),
                    cause=StagingOutcome.BUSY,
                ),
            ),
        ),
        Scene(
            name="redirect",
            title="to a human queue",
            about="The agent is not ready in time. The INVITE goes to a queue of people instead, "
            "and the request to the API is closed.",
            outcome="The queue answered; it rang after {rang}.",
            number="+33612345704",
            settings={"policy": {"timeout": f"redirect {QUEUE_URI}", "deadline": 0.3}},
            behaviour=Behaviour(delay=3.0),
            calls=(
                ScriptedCall(
                    silent_for=0.3,
                    reaches=(QUEUE,),
                    cause=StagingOutcome.TIMEOUT,
                    treatments=(TreatmentKind.REDIRECT,),
                ),
            ),
            closed_requests=1,
        ),
        Scene(
            name="moved",
            title="a 302 to the trunk",
            about="The API answers with success but without a call id. The trunk gets a 302 and "
            "follows it.",
            outcome="302 with the URI of the queue in its Contact.",
            number="+33612345705",
            settings={"policy": {"invalid_response": f"moved {QUEUE_URI}"}},
            behaviour=Behaviour(fault="no_call_id"),
            calls=(
                ScriptedCall(
                    final="302 Moved Temporarily",
                    contact=f"<{QUEUE_URI}>",
                    provisional=(),
                    reaches=(),
                    cause=StagingOutcome.INVALID_RESPONSE,
                    treatments=(TreatmentKind.MOVED,),
                ),
            ),
        ),
        Scene(
            name="instead",
            title="another agent",
            about="The API refuses the number's agent (403). Another agent is staged within the "
            "same deadline.",
            outcome="The second agent was staged; it rang after {rang}.",
            number="+33612345706",
            settings={"agent": SECOND_AGENT, "policy": {"refused": [f"agent {AGENT}", "refuse"]}},
            agents={SECOND_AGENT: Behaviour(status=403, message="This agent is not yours")},
            calls=(ScriptedCall(cause=StagingOutcome.REFUSED, treatments=(TreatmentKind.AGENT,)),),
            staged_agents=(SECOND_AGENT, AGENT),
        ),
    ),
)
