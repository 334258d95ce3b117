"""An API under stress: what is tried again, what waits, and what is left alone."""

from sip_stager.demo.fake_platform.behaviour import Behaviour
from sip_stager.demo.scene import AGENT, Act, Chapter, Scene

_FAILED = Act(final="503 Service Unavailable", hears=(), reaches=(), cause="failed")

STRESS = Chapter(
    name="stress",
    title="an API under stress",
    about="One connection at a time here, so that calls queue; the circuit breaker opens after 3 "
    "failed calls (20 by default), for 0.8 s (5 by default).",
    api={"connections": 1, "warm_connections": 1, "breaker_min_calls": 3, "breaker_open_time": 0.8},
    scenes=(
        Scene(
            name="breaker",
            title="the circuit breaker",
            about="The API fails three calls. The fourth does not wait for it: it goes straight to "
            "its policy, a refusal. When the pause is over, one call tries the API again.",
            shown="The fourth call was refused without asking the API; the fifth closed the "
            "breaker, and rang after {rang}.",
            number="+33612345731",
            behaviour=Behaviour(status=500, message="Internal error"),
            acts=(
                _FAILED,
                _FAILED,
                _FAILED,
                Act(final="503 Service Unavailable", hears=(), reaches=(), cause="breaker_open"),
                Act(pause=0.9, api=Behaviour()),
            ),
            asked=(AGENT,) * 4,
            breaker=("open", "half_open", "closed"),
        ),
        Scene(
            name="retry",
            title="again after a 503",
            about="The API says 503 with Retry-After: 1, which fits into the 4 s that staging may "
            "take. So it is asked again then, and not before.",
            shown="The second request staged the call; it rang after {rang}.",
            number="+33612345732",
            behaviour=Behaviour(status=503, retry_after="1", message="Restarting"),
            recovers=True,
            acts=(Act(silent_for=1.0),),
            asked=(AGENT, AGENT),
        ),
        Scene(
            name="queued",
            title="a queue for the API",
            about="Two callers at once, 0.3 s for each, and one connection to the API: the second "
            "waits for the first, within his deadline.",
            shown="The second caller's agent was staged after the first's: it rang after {rang}.",
            number="+33612345733",
            behaviour=Behaviour(delay=0.3),
            acts=(Act(silent_for=0.3), Act(beside=True, caller="+33912345679", silent_for=0.6)),
            asked=(AGENT, AGENT),
        ),
        Scene(
            name="limited",
            title="429, for too long",
            about="The API says 429 with Retry-After: 30. No caller waits for so long: the call "
            "goes straight to its policy, and the caller is told when to try again.",
            shown="Refused after {over}, with Retry-After: 30.",
            number="+33612345734",
            settings={"policy": {"busy": "refuse 480"}},
            behaviour=Behaviour(status=429, retry_after="30", message="Too many requests"),
            acts=(
                Act(
                    final="480 Temporarily Unavailable",
                    retry_after="30",
                    hears=(),
                    reaches=(),
                    cause="busy",
                ),
            ),
        ),
    ),
)
