"""A small HTTP/1.1 client (RFC 9110, RFC 9112) for one API that many calls wait for.

It imports nothing else of this program and could be a package of its own.  llhttp
(``httptools``) reads responses off the wire; everything else is here::

    Client --> Pool --> Slots --> FairQueue      which request is sent next
                 |----> Connector --> race       a new connection: name, TCP, TLS
                 '----> Connection               one request and its response at a time

What it guarantees:

1. **Sent at most once.**  A request is never sent a second time unless the server surely did not
   see the first: it left on a connection that was idle before, and that connection's end arrived
   within a round trip or so (the kernel's own measure, ``TCP_INFO``), before any byte of a
   response.  The request and the close then crossed on the wire.  There is one second attempt, on
   a new connection.
2. **Failures are values.**  ``Client.exchange`` returns an ``HttpResponse``, ``ConnectFailed``,
   ``Broken``, ``Unanswered`` or ``Rejected``.  It raises nothing but ``CancelledError``.
3. **Cancellation closes.**  Cancelling a request closes its connection at once, so that the server
   notices, and frees its slot.
4. **Bounded.**  At most ``connections`` are open or being opened.  Further requests queue by
   priority, and fairly between tenants within one; those that queue at the normal priority can be
   rejected at once, all or a group.  Bodies and headers of responses have limits in bytes.
5. **Follows its host.**  No connection is used for longer than ``max_age``, so that a change of the
   name's addresses takes effect under constant traffic, too.
6. **No surprises.**  Redirects are not followed, cookies are not kept, proxies of the environment
   are not used, and a compressed body is not read: ask for ``Accept-Encoding: identity``.
7. **The time is accounted for.**  Each request adds its seconds to the phases ``queue``,
   ``name_lookup``, ``connect``, ``tls``, ``request`` and ``closed`` (spent on a request that
   crossed a close), also when it is cancelled.
8. **No reference cycles**, whatever happens: it works with the garbage collector off.
9. **Secrets stay inside.**  Headers are in no ``repr``, error text or traceback.

It does not time out by itself: the caller's deadline cancels the request.  It does not pipeline,
speaks neither HTTP/2 nor WebSocket, and does not stream bodies.
"""

from sip_stager.http_client.client import Client
from sip_stager.http_client.connector import Names
from sip_stager.http_client.fair_queue import Share
from sip_stager.http_client.happy_eyeballs import AddressInfo
from sip_stager.http_client.messages import HttpResponse, RequestHead
from sip_stager.http_client.phase_times import Phases, PhaseTimer
from sip_stager.http_client.pool import MAX_AGE
from sip_stager.http_client.results import (
    Broken,
    ConnectFailed,
    Failure,
    Rejected,
    Result,
    Unanswered,
)
from sip_stager.http_client.slots import Priority
from sip_stager.http_client.waiters import Waiters

__all__ = [
    "MAX_AGE",
    "AddressInfo",
    "Broken",
    "Client",
    "ConnectFailed",
    "Failure",
    "HttpResponse",
    "Names",
    "PhaseTimer",
    "Phases",
    "Priority",
    "Rejected",
    "RequestHead",
    "Result",
    "Share",
    "Unanswered",
    "Waiters",
]
