"""What callers hear while their agent is being staged."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import COLD, Chapter, Scene, ScriptedCall
from sip_stager.model.vocabulary import StagingOutcome, TreatmentKind

_SLOW = Behaviour(delay=0.6)

RINGING = Chapter(
    name="ringing",
    title="what callers hear while they wait",
    about="A 100 makes no sound. After ringing_delay (2 s by default; shorter here) sip-stager "
    "sends a ringing response itself. It belongs to an early dialog of its own.",
    scenes=(
        Scene(
            name="ring",
            title="a 180 of our own",
            about="The agent needs 0.6 s. The caller hears ringing after 0.2 s.",
            outcome="Two 180 with different To tags: ours after {rang}, then the agent's.",
            number="+33612345711",
            settings={"policy": {"ringing_delay": 0.2}},
            behaviour=_SLOW,
            calls=(ScriptedCall(provisional=(180, 180), silent_for=0.2),),
        ),
        Scene(
            name="progress",
            title="a 183 of our own",
            about="Some carriers handle a 183 better. It has no body: the caller hears what the "
            "carrier plays.",
            outcome="Our 183 after {rang}, then the agent's 180.",
            number="+33612345712",
            settings={"policy": {"ringing": "183", "ringing_delay": 0.2}},
            behaviour=_SLOW,
            calls=(ScriptedCall(provisional=(183, 180), silent_for=0.2),),
        ),
        Scene(
            name="silence",
            title="no local ringing",
            about="Some carriers try no other route once a call has rung. With ringing = never, "
            "the caller hears nothing until the agent rings.",
            outcome="Silence until the agent rang, after {rang}.",
            number="+33612345713",
            settings={"policy": {"ringing": "never", "ringing_delay": 0.2}},
            behaviour=_SLOW,
            calls=(ScriptedCall(silent_for=0.6),),
        ),
        Scene(
            name="reliable",
            title="a 100rel caller",
            about="An INVITE with Require: 100rel may only get reliable provisional responses "
            "(RFC 3262), so sip-stager sends nothing but 100.",
            outcome="No local ringing; the call was staged and answered as usual.",
            number="+33612345714",
            settings={"policy": {"ringing_delay": 0.2}},
            behaviour=_SLOW,
            calls=(ScriptedCall(fields=("Require: 100rel",), provisional=()),),
        ),
        Scene(
            name="after",
            title="too late to refuse",
            about="The call has rung, but the agent is not ready in time. The carrier would not "
            "reroute a refused call now, so after_ringing applies instead of timeout.",
            outcome="It had rung after {rang}, so it was not refused: a cold agent answered.",
            number="+33612345715",
            settings={
                "policy": {
                    "ringing_delay": 0.1,
                    "deadline": 0.4,
                    "timeout": "refuse 480",
                    "after_ringing": "forward",
                }
            },
            behaviour=Behaviour(delay=3.0),
            calls=(
                ScriptedCall(
                    provisional=(180, 180),
                    silent_for=0.1,
                    reaches=(COLD,),
                    cause=StagingOutcome.TIMEOUT,
                    treatments=(TreatmentKind.FORWARD,),
                ),
            ),
            closed_requests=1,
        ),
    ),
)
