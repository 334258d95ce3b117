"""The callbacks between the sockets of this room and their owner."""

from __future__ import annotations

from collections.abc import Callable

from sip_stager.model.flow import Flow

Receive = Callable[[bytes, Flow], None]
"""Called with one message and the flow to answer on."""
Lost = Callable[[Flow, str], None]
"""Called with an address that cannot be reached, and the reason in words."""
