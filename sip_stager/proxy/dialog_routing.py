"""The routing of a request of a dialog (RFC 3261 16.4 to 16.6): the general path.

Such a request is recognized by the seal in our Route alone: the proxy keeps no dialogs.  Nearly
all of them take the fast path (``dialog_fast_path.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.proxy.preprocessing import preprocess
from sip_stager.proxy.request_forwarding import STAGED_ID_FIELD, Routed, route_to_next_hop
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.privacy import strip_user_fields, without_privacy_tag

if TYPE_CHECKING:
    from sip_stager.model.flow import Flow
    from sip_stager.ports import Admission
    from sip_stager.proxy.interfaces import Interfaces
    from sip_stager.proxy.next_hop import Locator
    from sip_stager.proxy.preprocessing import Popped
    from sip_stager.proxy.seal import Seal
    from sip_stager.sip.message import Request
    from sip_stager.sip.uri import Uri

NO_ROUTE = "no Route of ours: does the callee copy Record-Route, and does the caller use it?"
"""The Warning for a request of a dialog without our Route, for the peer's engineer."""
NOT_SEALED = "the Route was not made here for this dialog: its user part, Call-ID and tags differ"
"""The Warning for a request of a dialog whose Route is ours, but whose seal does not match."""
EXPIRED = "the call has lasted longer than [seal] lifetime allows"
"""The Warning for a request of a dialog that is older than a seal can be."""


class DialogRouting:
    """Routes requests of dialogs, and says why a request is of none."""

    def __init__(
        self, interfaces: Interfaces, locator: Locator, seal: Seal, admission: Admission
    ) -> None:
        self._interfaces = interfaces
        self._locator = locator
        self._seal = seal
        self._admission = admission

    def preprocess(self, request: Request, source: Flow) -> Popped:
        """Remove the routing that led a request here (16.4); raises ``Malformed``."""
        return preprocess(request, self._interfaces, self._seal, source.interface)

    def route(self, popped: Popped, source: Flow, routing: bytes = b"") -> Routed:
        """Return the request with its next hop and what the seal remembers of its dialog.

        Raises ``Malformed``.
        """
        popped = self._strip(popped, source)
        routed = route_to_next_hop(popped, routing)
        own, request, seal = popped.own_route, popped.request, self._seal
        if own is None:
            return routed
        if seal.hides_from(own, request):  # the request itself need not say so again
            stripped = strip_user_fields(routed.request)
            routed = routed._replace(request=stripped, hides_from=True)
        return routed._replace(
            seal=own.user or b"",
            to_anonymous=seal.to_anonymous(own, request),
            flow=self._flow_to_caller(own, popped),
        )

    def _flow_to_caller(self, own: Uri, popped: Popped) -> Flow | None:
        """Return the flow that the seal has for a request for the caller (RFC 5626 5.3).

        Without one, or where its connection is gone, the Route and the Request-URI decide.
        """
        address = self._seal.flow_to_caller(own.user or b"", popped.request)
        if address is None:
            return None
        return self._locator.recorded_flow(own.transport, address, popped.leaving)

    def is_of_dialog(self, popped: Popped) -> bool:
        """Return True for a request of a dialog: by its To tag, or without one by our seal.

        RFC 3261 12.2.1.1: a peer of RFC 2543 may have no tag that the To could hold.
        """
        try:
            return bool(popped.request.to_tag) or not self.why_not_ours(popped)
        except Malformed:  # no seal can be valid without a readable From tag
            return False

    def why_not_ours(self, popped: Popped) -> str:
        """Return why a request is of no dialog that we recorded; empty if it is of one.

        Raises ``Malformed``.
        """
        own = popped.own_route
        if own is None:
            return NO_ROUTE
        if self._seal.is_valid(own, popped.request):
            return ""
        return EXPIRED if self._seal.is_expired(own, popped.request) else NOT_SEALED

    def _strip(self, popped: Popped, source: Flow) -> Popped:
        """Strip our own header fields, and the identity fields if the dialog's caller is anonymous.

        The INVITE that began the dialog decides on privacy for all of it; the seal remembers.
        """
        own, request = popped.own_route, popped.request.without(STAGED_ID_FIELD)
        anonymous = own is not None and self._seal.from_anonymous(own, request)
        request = self._admission.strip_identity(request, source, anonymous=anonymous)
        if b"proxy-require" in request.shape.first:
            request = without_privacy_tag(request)
        return popped._replace(request=request)
