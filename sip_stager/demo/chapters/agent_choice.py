"""Which agent answers a call, and the variables that it gets."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import (
    AGENT,
    LATER,
    NOW,
    SECOND_AGENT,
    ZONE,
    Chapter,
    Scene,
    ScriptedCall,
)

_FIRST = "+33912345672"  # a number whose hash selects the agent with weight 3
_SHARES = {
    "agents": [
        {"agent": AGENT, "weight": 3},
        {"agent": SECOND_AGENT, "weight": 1},
    ]
}
_HOURS = {
    "timezone": ZONE,
    "agents": [
        {"agent": AGENT, "hours": [NOW]},
        {"agent": SECOND_AGENT, "hours": [LATER]},
        {"agent": SECOND_AGENT},
    ],
}

AGENTS = Chapter(
    name="agents",
    title="which agent answers",
    about="The agent of a call depends on number, prefix, time and weight. It gets variables from "
    "the call's header fields.",
    scenes=(
        Scene(
            name="prefix",
            title="by prefix",
            about="The number has no entry of its own; the entry of its prefix applies.",
            outcome="The agent of +3361234574* answered the call to +33612345749.",
            number="+3361234574*",
            dialled="+33612345749",
            request_fields={"to_number": "+33612345749"},
        ),
        Scene(
            name="weight",
            title="by weight",
            about="Two agents share a number, 3 to 1. A caller always gets the same agent: the "
            "first caller calls again, and reaches the first agent again.",
            outcome="Agents that were staged: {agents}",
            number="+33612345752",
            settings=_SHARES,
            calls=(ScriptedCall(caller=_FIRST), ScriptedCall(), ScriptedCall(caller=_FIRST)),
            staged_agents=(AGENT, SECOND_AGENT, AGENT),
        ),
        Scene(
            name="hours",
            title="by the time of day",
            about="One agent works at this hour, another one later.",
            outcome="The agent of this hour was staged: {agents}",
            number="+33612345753",
            settings=_HOURS,
        ),
        Scene(
            name="variables",
            title="header variables",
            about="The carrier sends X-Customer and X-Vip. The agent declares customer as a "
            "string and vip as a boolean, and gets both before it answers.",
            outcome="The API received {fields}.",
            number="+33612345754",
            settings={
                "variables": {"customer": "${header:X-Customer|unknown}", "vip": "${header:X-Vip}"}
            },
            agents={AGENT: Behaviour(variables={"customer": "string", "vip": "boolean"})},
            calls=(ScriptedCall(fields=("X-Customer: 42", "X-Vip: yes")),),
            request_fields={"dynamic_variables_values": {"customer": "42", "vip": True}},
        ),
        Scene(
            name="private",
            title="an anonymous caller",
            about="The caller requests privacy (Privacy: id). The API gets a placeholder number, "
            "and no log shows the real one.",
            outcome="The API received {fields}.",
            number="+33612345755",
            calls=(ScriptedCall(fields=("Privacy: id",)),),
            request_fields={"from_number": "+10000000000"},
        ),
    ),
)
