"""What a caller hears while his agent is being staged."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import COLD, Act, Chapter, Scene

_SLOW = Behaviour(delay=0.6)

RINGING = Chapter(
    name="ringing",
    title="what the caller hears meanwhile",
    about="100 makes no sound. After ringing_delay (2 s by default; less here) the caller hears "
    "ringing of sip-stager's own, in an early dialog that the agent's ends.",
    scenes=(
        Scene(
            name="ring",
            title="180 of our own",
            about="The agent needs 0.6 s. The caller hears ringing after 0.2 s.",
            shown="Two times 180, with different To tags: ours after {rang}, then the agent's.",
            number="+33612345711",
            settings={"policy": {"ringing_delay": 0.2}},
            behaviour=_SLOW,
            acts=(Act(hears=(180, 180), silent_for=0.2),),
        ),
        Scene(
            name="progress",
            title="183 of our own",
            about="Some carriers take a 183 better. It has no body: there is nothing to hear yet "
            "but what the carrier plays.",
            shown="183 of our own after {rang}, then the agent's 180.",
            number="+33612345712",
            settings={"policy": {"ringing": "183", "ringing_delay": 0.2}},
            behaviour=_SLOW,
            acts=(Act(hears=(183, 180), silent_for=0.2),),
        ),
        Scene(
            name="silence",
            title="never of our own",
            about="A carrier tries no other route once it has heard ringing: so nothing, until "
            "the agent itself rings.",
            shown="Silence until the agent rang after {rang}.",
            number="+33612345713",
            settings={"policy": {"ringing": "never", "ringing_delay": 0.2}},
            behaviour=_SLOW,
            acts=(Act(silent_for=0.6),),
        ),
        Scene(
            name="reliable",
            title="a 100rel caller",
            about="An INVITE with Require: 100rel may get reliable provisional responses only "
            "(RFC 3262), so sip-stager sends it none but 100.",
            shown="No ringing of ours; the call was staged and answered all the same.",
            number="+33612345714",
            settings={"policy": {"ringing_delay": 0.2}},
            behaviour=_SLOW,
            acts=(Act(fields=("Require: 100rel",), hears=()),),
        ),
        Scene(
            name="after",
            title="too late to refuse",
            about="It rang, and then the agent is not ready in time. The carrier takes a refused "
            "call nowhere else now, so after_ringing stands in for timeout.",
            shown="Not refused, for it had rung after {rang}: a cold agent took the call.",
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
            acts=(
                Act(
                    hears=(180, 180),
                    silent_for=0.1,
                    reaches=(COLD,),
                    cause="timeout",
                    treated=("forward",),
                ),
            ),
            closed=1,
        ),
    ),
)
