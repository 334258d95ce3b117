"""No call staged twice, none wasted."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import AGENT, SECOND_ADDRESS, STAGED, Act, Chapter, Scene

_GIVEN_UP = Act(cancel_after=0.1, final="487 Request Terminated", hears=(), reaches=())

CLAIMS = Chapter(
    name="claims",
    title="no call staged twice, none wasted",
    about="A staged call that nobody used is kept for the next call of the same caller to the same "
    "number: for 45 s from its staging by default, less here.",
    api={"after_hangup": "keep", "claim_ttl": 0.8, "terminate_wasted": True},
    scenes=(
        Scene(
            name="credentials",
            title="credentials (407)",
            about="The platform asks for a password (407), when the agent waits already. The "
            "INVITE comes again with it, and with the same agent.",
            shown="Two INVITEs, one staging: the API was asked once.",
            number="+33612345721",
            behaviour=Behaviour(delay=0.1),
            first="guarded",
            acts=(Act(reaches=(STAGED, STAGED)),),
        ),
        Scene(
            name="redial",
            title="the caller redials",
            about="The caller hangs up while the agent warms up (0.3 s), and calls again when it "
            "is warm: it waits for him.",
            shown="No second staging: it rang after {rang}.",
            number="+33612345722",
            behaviour=Behaviour(delay=0.3),
            acts=(_GIVEN_UP, Act(pause=0.4)),
        ),
        Scene(
            name="second",
            title="a second attempt",
            about="The carrier loses patience, and tries once more from another address with "
            "another Call-ID, while the agent (0.5 s) still warms up.",
            shown="The second attempt took over the staging of the first: it rang after {rang}.",
            number="+33612345723",
            behaviour=Behaviour(delay=0.5),
            acts=(_GIVEN_UP, Act(address=SECOND_ADDRESS)),
        ),
        Scene(
            name="both",
            title="two calls at a time",
            about="The same caller places two calls to the same number at the same moment. Neither "
            "is over, so they are not one.",
            shown="Two calls, two stagings, two ids.",
            number="+33612345724",
            behaviour=Behaviour(delay=0.2),
            acts=(Act(), Act(beside=True)),
            asked=(AGENT, AGENT),
        ),
        Scene(
            name="wasted",
            title="nobody comes again",
            about="The caller hangs up and does not call again. What was staged is counted as "
            "wasted when it can no longer be used, and the API is told to end it.",
            shown="Wasted once, and ended at the API.",
            number="+33612345725",
            behaviour=Behaviour(delay=0.2),
            acts=(_GIVEN_UP,),
            ended=1,
            rests=1.3,
        ),
    ),
)
