"""Staged calls that a later attempt of the same caller uses, and those that none does."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import AGENT, SECOND_ADDRESS, STAGED, Chapter, Scene, ScriptedCall

_GIVEN_UP = ScriptedCall(
    cancel_after=0.1, final="487 Request Terminated", provisional=(), reaches=()
)

CLAIMS = Chapter(
    name="claims",
    title="no call is staged twice",
    about="An unused staged call is reserved for the next call of the same caller to the same "
    "number: for 45 s from its staging by default, shorter here.",
    api={"after_hangup": "keep", "claim_ttl": 0.8, "terminate_wasted": True},
    scenes=(
        Scene(
            name="credentials",
            title="credentials (407)",
            about="The platform asks for credentials (407) after the agent was staged. The caller "
            "sends the INVITE again with credentials, and gets the same agent.",
            outcome="Two INVITEs, one request to the API.",
            number="+33612345721",
            behaviour=Behaviour(delay=0.1),
            first_address="challenged",
            calls=(ScriptedCall(reaches=(STAGED, STAGED)),),
        ),
        Scene(
            name="redial",
            title="the caller redials",
            about="The caller hangs up while the agent warms up (0.3 s), and calls again when it "
            "is warm: the agent is still waiting.",
            outcome="No second request to the API: it rang after {rang}.",
            number="+33612345722",
            behaviour=Behaviour(delay=0.3),
            calls=(_GIVEN_UP, ScriptedCall(pause=0.4)),
        ),
        Scene(
            name="second",
            title="a second attempt",
            about="The carrier gives up after a timeout and tries again from another address "
            "with another Call-ID, while the agent (0.5 s) still warms up.",
            outcome="The second attempt used what the first had started: it rang after {rang}.",
            number="+33612345723",
            behaviour=Behaviour(delay=0.5),
            calls=(_GIVEN_UP, ScriptedCall(address=SECOND_ADDRESS)),
        ),
        Scene(
            name="both",
            title="two calls at once",
            about="The same caller places two calls to the same number at the same moment. Both "
            "are active, so each needs an agent.",
            outcome="Two calls, two agents, two ids.",
            number="+33612345724",
            behaviour=Behaviour(delay=0.2),
            calls=(ScriptedCall(), ScriptedCall(concurrent=True)),
            staged_agents=(AGENT, AGENT),
        ),
        Scene(
            name="wasted",
            title="no second attempt",
            about="The caller hangs up and does not call again. The staged call expires, is "
            "counted as wasted, and is ended at the API.",
            outcome="Wasted, and ended at the API.",
            number="+33612345725",
            behaviour=Behaviour(delay=0.2),
            calls=(_GIVEN_UP,),
            ended_calls=1,
            settle_time=1.3,
        ),
    ),
)
