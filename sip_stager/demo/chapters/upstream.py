"""Where a staged call goes on when the platform's first address does not take it."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import STAGED, STANDBY, Act, Chapter, Scene

UPSTREAM = Chapter(
    name="upstream",
    title="the platform's other address",
    about="The platform has two addresses. What was staged is good for both: the second is tried "
    "with the same id. A host that says nothing is given up after failover_timeout "
    "(2 s by default).",
    upstream={"failover_timeout": 0.3},
    scenes=(
        Scene(
            name="backup",
            title="the first says no",
            about="The first address takes no calls (503); the INVITE goes to the second at once.",
            shown="One staging, two addresses: it rang after {rang}.",
            number="+33612345741",
            behaviour=Behaviour(delay=0.1),
            first="refused",
            acts=(Act(reaches=(STAGED, STANDBY)),),
        ),
        Scene(
            name="dead",
            title="the first is silent",
            about="The first address says nothing at all; after 0.3 s the second is tried.",
            shown="It rang after {rang}: {warming} to warm the agent up, then the silence.",
            number="+33612345742",
            behaviour=Behaviour(delay=0.1),
            first="ignored",
            acts=(Act(reaches=(STAGED, STANDBY), silent_for=0.4),),
        ),
    ),
)
