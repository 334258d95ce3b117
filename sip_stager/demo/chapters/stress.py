"""An API that fails or is overloaded: circuit breaker, retry, queue, rate limit."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import AGENT, Chapter, Scene, ScriptedCall
from sip_stager.model.vocabulary import BreakerState, StagingOutcome

_FAILED = ScriptedCall(
    final="480 Temporarily Unavailable", provisional=(), reaches=(), cause=StagingOutcome.FAILED
)

STRESS = Chapter(
    name="stress",
    title="an API under stress",
    about="Only one connection here, so that calls queue; the circuit breaker opens after 3 failed "
    "calls (20 by default), for 0.8 s (5 by default).",
    api={"connections": 1, "warm_connections": 1, "breaker_min_calls": 3, "breaker_open_time": 0.8},
    scenes=(
        Scene(
            name="breaker",
            title="the breaker",
            about="The API fails for three calls. The fourth is not sent to it: its policy applies "
            "at once, a refusal. After the pause one call tries the API again.",
            outcome="The fourth call was refused without a request to the API; the fifth closed "
            "the breaker, and rang after {rang}.",
            number="+33612345731",
            behaviour=Behaviour(status=500, message="Internal error"),
            calls=(
                _FAILED,
                _FAILED,
                _FAILED,
                ScriptedCall(
                    final="503 Service Unavailable",
                    provisional=(),
                    reaches=(),
                    cause=StagingOutcome.BREAKER_OPEN,
                ),
                ScriptedCall(pause=0.9, api=Behaviour()),
            ),
            staged_agents=(AGENT,) * 4,
            breaker=(BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED),
        ),
        Scene(
            name="retry",
            title="retry after a 503",
            about="The API answers 503 with Retry-After: 1, which is within the deadline of 4 s. "
            "The request is repeated after that time, and not before.",
            outcome="The second request staged the call; it rang after {rang}.",
            number="+33612345732",
            behaviour=Behaviour(status=503, retry_after="1", message="Restarting"),
            recovers=True,
            calls=(ScriptedCall(silent_for=1.0),),
            staged_agents=(AGENT, AGENT),
        ),
        Scene(
            name="queued",
            title="queue for the API",
            about="Two callers at once, 0.3 s for each, and one connection to the API: the second "
            "call waits for the first, within its deadline.",
            outcome="The second agent was staged after the first: it rang after {rang}.",
            number="+33612345733",
            behaviour=Behaviour(delay=0.3),
            calls=(
                ScriptedCall(silent_for=0.3),
                ScriptedCall(concurrent=True, caller="+33912345679", silent_for=0.6),
            ),
            staged_agents=(AGENT, AGENT),
        ),
        Scene(
            name="limited",
            title="429, for too long",
            about="The API answers 429 with Retry-After: 30. No caller waits that long: the policy "
            "applies at once. The carrier is not asked to wait: its next call may be staged.",
            outcome="Refused after {ended}, without Retry-After.",
            number="+33612345734",
            settings={"policy": {"busy": "refuse 480"}},
            behaviour=Behaviour(status=429, retry_after="30", message="Too many requests"),
            calls=(
                ScriptedCall(
                    final="480 Temporarily Unavailable",
                    retry_after="",
                    provisional=(),
                    reaches=(),
                    cause=StagingOutcome.BUSY,
                ),
            ),
        ),
    ),
)
