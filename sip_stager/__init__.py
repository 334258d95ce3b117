"""A SIP edge proxy that stages a voice agent for each call before the call arrives.

An INVITE comes in from a trunk.  It is held while the agent that belongs to the dialled number
is staged over HTTP, and goes on upstream with ``X-Rounded-Call-Id``.  Everything else that a
proxy must do, it does by RFC 3261; ``docs/conformance.md`` says where each rule is held.

The house has a core and a shell, and dependencies point one way only::

    ports, events  <-  sip  <-  transaction  <-  proxy        the core
    trunks                                                    the core, beside it
    staging  upstream  transport  observability  console      the shell
    demo  cli                                                 users of all of it
    config                                                    what the operator set, for all of it
    assembly, app, garbage, listening                         where everything meets, and lives

The core is pure and synchronous: bytes and the passing of time go in, bytes and facts come out.
It imports nothing but the pure part of the standard library (``trunks/phone_numbers.py`` reads the
numbering plans of the world from ``phonenumbers``), so no socket, no clock and no chance is in
it; a linter rule and ``tests/test_architecture.py`` hold that line.  What is slow
or comes from the world is a port (``ports.py``: read it first): the clock, the transport, the
stager, the resolver, admission.  The asyncio loop *is* a clock and a task *is* something that can
be cancelled, so waiting for a timer and waiting for the staging API read alike.

What the core finds worth knowing it reports as a frozen value (``events``) to one ``notify``
callable.  Metrics, logs and the ladder of the demo each take events in one place;
no counter is incremented inside protocol code.

The way of an INVITE:

1. ``transport`` hands a datagram to ``transaction/layer.py``, which parses it, stamps
   ``received`` and ``rport`` and looks for its transaction; a retransmission ends there.
2. ``proxy/core.py`` is told of a new request and validates it (RFC 3261 16.3).
   ``proxy/new_calls.py`` asks admission whose call this is, and whether there is room;
   ``proxy/held.py`` is the call while it waits: it answers 100 and starts staging.  The loop is
   free again.
3. ``staging`` is a coroutine under one deadline, and the only await in a call; attempts, breaker
   and connections are below it, and ``staging/claims.py`` stands before it with what was staged
   in vain.  Its outcome is a value, and comes back as a ``Decision``: forward with an id, or a
   refusal with its cause, for which ``held.py`` does what the call's ``Policy`` says.
4. ``proxy/invite.py`` tries the call's targets from then on, each in a ``proxy/branch.py``, the
   state machine of one target: called, ringing, answered, cancelled.  ``proxy/forwarding.py``
   makes the copy in the RFC's steps (16.6).
5. Responses run the same road back.  The ACK of a 2xx matches nothing and is forwarded without
   state; other requests of a dialog have transactions, but nothing of the dialog is kept: Route,
   Record-Route and our seal in them (``proxy/seal.py``) carry all that a fresh process needs to
   serve a dialog that it has never seen.
6. ``staging/aftercare.py`` hears of what became of the call, and does the rest off its path.

Three kinds of error have three places that catch them: the peer's fault (``Malformed``) in the
transaction layer, the world's fault (HTTP, DNS, sockets) where that library is called, and our
own mistake at the edge of the transport, where it is logged, counted, and costs one message.
"""

__version__ = "0.1.0"
