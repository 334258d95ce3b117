"""Events: the facts that metrics, logs and the ladder are made of, as frozen values.

The core and the shell report them through ``ports.Notify``.  Times are durations in seconds; an
observer knows itself when an event arrived.  The events that every call has are named tuples, which
are created in a fifth of the steps of a frozen dataclass.
"""

from sip_stager.events.call import (
    CallAcknowledged,
    CallAdmitted,
    CallEnded,
    CallHungUp,
    CallRefused,
    CallRinging,
    CallTreated,
    FlowRecorded,
    HeaderLost,
    InviteForwarded,
)
from sip_stager.events.message import (
    LargeRequestSent,
    MessageDropped,
    MessageReceived,
    MessageSent,
    TrunkAddressSuspected,
)
from sip_stager.events.overload import OverloadChanged
from sip_stager.events.platform import (
    AgentBreakerMoved,
    AgentStateChanged,
    BreakerMoved,
    NumbersNotRefreshed,
    NumbersRefreshed,
)
from sip_stager.events.settings import SettingsReloaded
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
    "AgentBreakerMoved",
    "AgentStateChanged",
    "BreakerMoved",
    "CallAcknowledged",
    "CallAdmitted",
    "CallEnded",
    "CallHungUp",
    "CallRefused",
    "CallRinging",
    "CallTreated",
    "Event",
    "FlowRecorded",
    "HeaderLost",
    "InviteForwarded",
    "LargeRequestSent",
    "MessageDropped",
    "MessageReceived",
    "MessageSent",
    "NumbersNotRefreshed",
    "NumbersRefreshed",
    "OverloadChanged",
    "SettingsReloaded",
    "StagingClaimed",
    "StagingEnded",
    "StagingPolled",
    "StagingRetried",
    "StagingStarted",
    "StagingTerminated",
    "StagingWasted",
    "TrunkAddressSuspected",
]

Event = (
    MessageReceived
    | MessageSent
    | MessageDropped
    | LargeRequestSent
    | CallAdmitted
    | FlowRecorded
    | CallRefused
    | StagingStarted
    | StagingPolled
    | StagingRetried
    | StagingEnded
    | AgentBreakerMoved
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
    | CallAcknowledged
    | CallHungUp
    | AgentStateChanged
    | NumbersRefreshed
    | NumbersNotRefreshed
    | OverloadChanged
    | TrunkAddressSuspected
    | SettingsReloaded
)
