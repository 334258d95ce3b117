"""What is worth knowing, as frozen values.

The core and the rooms of the shell report these to ``notify``; metrics, logs and the ladder take
them in.  Times are durations in seconds; who observes an event knows when it came.  The two
that come by the dozen in each call are named tuples, which are made in half the time.
"""

from sip_stager.events.call import (
    CallAdmitted,
    CallEnded,
    CallRefused,
    CallRinging,
    CallTreated,
    HeaderLost,
    InviteForwarded,
)
from sip_stager.events.message import (
    LargeRequestSent,
    MessageDropped,
    MessageReceived,
    MessageSent,
)
from sip_stager.events.platform import (
    AgentStateChanged,
    BreakerMoved,
    NumbersNotRefreshed,
    NumbersRefreshed,
)
from sip_stager.events.staging import (
    AftercareFailed,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingTerminated,
    StagingWasted,
)

__all__ = [
    "AftercareFailed",
    "AgentStateChanged",
    "BreakerMoved",
    "CallAdmitted",
    "CallEnded",
    "CallRefused",
    "CallRinging",
    "CallTreated",
    "Event",
    "HeaderLost",
    "InviteForwarded",
    "LargeRequestSent",
    "MessageDropped",
    "MessageReceived",
    "MessageSent",
    "NumbersNotRefreshed",
    "NumbersRefreshed",
    "StagingClaimed",
    "StagingEnded",
    "StagingPolled",
    "StagingRetried",
    "StagingStarted",
    "StagingTerminated",
    "StagingWasted",
]

Event = (
    MessageReceived
    | MessageSent
    | MessageDropped
    | LargeRequestSent
    | CallAdmitted
    | CallRefused
    | StagingStarted
    | StagingPolled
    | StagingRetried
    | StagingEnded
    | BreakerMoved
    | CallTreated
    | StagingClaimed
    | StagingWasted
    | StagingTerminated
    | HeaderLost
    | AftercareFailed
    | InviteForwarded
    | CallRinging
    | CallEnded
    | AgentStateChanged
    | NumbersRefreshed
    | NumbersNotRefreshed
)
