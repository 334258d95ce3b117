"""Who answers, and what he knows."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import AGENT, LATER, NOW, SECOND_AGENT, ZONE, Act, Chapter, Scene

_FIRST = "+33912345672"  # whose place is among the first three of four
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
    title="who answers, and what he knows",
    about="The agent of a call is found by number, prefix, time and weight, and is told what the "
    "call brings along.",
    scenes=(
        Scene(
            name="prefix",
            title="by prefix",
            about="The number has no row of its own; the row of its beginning takes it.",
            shown="The agent of +3361234574* took the call for +33612345749.",
            number="+3361234574*",
            dialled="+33612345749",
            told={"to_number": "+33612345749"},
        ),
        Scene(
            name="weight",
            title="by weight",
            about="Two agents share a number, 3 to 1. Callers are divided, not calls: the first "
            "caller calls again, and gets the same agent.",
            shown="The API was asked for {asked}.",
            number="+33612345752",
            settings=_SHARES,
            acts=(Act(caller=_FIRST), Act(), Act(caller=_FIRST)),
            asked=(AGENT, SECOND_AGENT, AGENT),
        ),
        Scene(
            name="hours",
            title="by the time of day",
            about="One agent has the hours that it is just now, another one later ones.",
            shown="The agent on duty was staged: {asked}.",
            number="+33612345753",
            settings=_HOURS,
        ),
        Scene(
            name="variables",
            title="told from headers",
            about="The carrier sends X-Customer and X-Vip. The agent declares customer as a "
            "string and vip as a boolean, and is told both before it says hello.",
            shown="The API was told {told}.",
            number="+33612345754",
            settings={
                "variables": {"customer": "${header:X-Customer|unknown}", "vip": "${header:X-Vip}"}
            },
            agents={AGENT: Behaviour(variables={"customer": "string", "vip": "boolean"})},
            acts=(Act(fields=("X-Customer: 42", "X-Vip: yes")),),
            told={"dynamic_variables_values": {"customer": "42", "vip": True}},
        ),
        Scene(
            name="private",
            title="an anonymous caller",
            about="The caller is anonymous (Privacy: id). The API gets a stand-in number, and no "
            "log holds the true one.",
            shown="The API was told {told}.",
            number="+33612345755",
            acts=(Act(fields=("Privacy: id",)),),
            told={"from_number": "+10000000000"},
        ),
    ),
)
