"""An INVITE that begins a call, while its agent is staged.

::

      INVITE -> held ---- staged ----> forwarded (invite.py)
                  |
                  +------ not staged --> refused
                  +------ CANCEL ------> 487, and staging is stopped
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import CallEnded
from sip_stager.ports import Refusal
from sip_stager.proxy.forwarding import staged
from sip_stager.proxy.invite import ForwardedInvite, StagedCall
from sip_stager.sip.responses import make_response

if TYPE_CHECKING:
    from sip_stager.ports import Call, Cancellable, Decision, Flow, Stager
    from sip_stager.proxy.facilities import Facilities
    from sip_stager.proxy.routing import Routed
    from sip_stager.sip.message import Request
    from sip_stager.transaction.invite_server import InviteServerTransaction


class HeldInvite:
    """Waits for staging's decision."""

    __slots__ = (
        "_began", "_call", "_facilities", "_request", "_server", "_source", "_staging", "_targets",
    )  # fmt: skip

    def __init__(
        self,
        facilities: Facilities,
        call: Call,
        targets: list[Routed],
        source: Flow,
        server: InviteServerTransaction,
    ) -> None:
        self._facilities = facilities
        self._call = call
        self._targets = targets
        self._request = targets[0].request
        self._source = source
        self._server = server
        self._began = facilities.now()
        self._staging: Cancellable | None = None

    def start(self, stager: Stager) -> None:
        """Say 100 and begin to stage."""
        self._server.owner = self
        self._server.respond(make_response(self._request, 100))
        self._staging = stager.start(self._call, self._decided)

    def cancel(self, cancel: Request) -> None:  # noqa: ARG002  an owner's shape
        """Stop staging and end the call; nothing goes upstream."""
        if self._staging is not None:
            self._staging.cancel()
            self._staging = None  # what it is cancelled by holds its frame, which holds us: a cycle
        self._server.respond(self._facilities.response(self._request, 487))
        self._facilities.notify(CallEnded(self._call, "", "cancelled", 487, self._elapsed()))

    def _decided(self, decision: Decision) -> None:
        self._staging = None
        try:
            self._go_on(decision)
        except Exception:  # a mistake of ours must not leave the caller in silence
            self._server.respond(self._facilities.response(self._request, 500))
            raise

    def _go_on(self, decision: Decision) -> None:
        if isinstance(decision, Refusal):
            respond, trunk = self._server.respond, self._call.trunk
            self._facilities.refuse(self._request, respond, decision, trunk, self._elapsed())
            return
        call_id = decision.call_id
        targets = [one._replace(request=staged(one.request, call_id)) for one in self._targets]
        call = StagedCall(self._call, call_id, self._began)
        ForwardedInvite(self._facilities, targets, self._source, self._server, call).start()

    def _elapsed(self) -> float:
        return self._facilities.now() - self._began
