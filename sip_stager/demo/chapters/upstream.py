"""Failover of a staged call to the platform's second address."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import STAGED, STANDBY, Chapter, Scene, ScriptedCall

UPSTREAM = Chapter(
    name="upstream",
    title="the platform's second address",
    about="The platform has two addresses, and a staged id is valid at both. If the first does not "
    "respond within failover_timeout (2 s by default), the second is tried with the same id.",
    upstream={"failover_timeout": 0.3},
    scenes=(
        Scene(
            name="backup",
            title="the first refuses",
            about="The first address refuses the call (503); the INVITE goes to the second address "
            "at once.",
            outcome="One staged id, two addresses: it rang after {rang}.",
            number="+33612345741",
            behaviour=Behaviour(delay=0.1),
            first_address="refused",
            calls=(ScriptedCall(reaches=(STAGED, STANDBY)),),
        ),
        Scene(
            name="dead",
            title="the first is silent",
            about="The first address does not respond; after 0.3 s the second is tried.",
            outcome="It rang after {rang}: {warm_up} to warm up the agent, then the timeout.",
            number="+33612345742",
            behaviour=Behaviour(delay=0.1),
            first_address="ignored",
            calls=(ScriptedCall(reaches=(STAGED, STANDBY), silent_for=0.4),),
        ),
    ),
)
