"""The callbacks between the sockets of this room and their owner."""

from __future__ import annotations

from collections.abc import Callable

from sip_stager.model.flow import Flow

Receive = Callable[[bytes, Flow], None]
"""Takes one message and the flow to answer on."""
Lost = Callable[[Flow, str], None]
"""Takes an address that nothing reaches, and the reason in words."""
