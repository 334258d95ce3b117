"""A SIP edge proxy that stages a voice agent for each call before the call arrives.

An INVITE comes in from a trunk.  It is held while the agent of the dialled number is staged over
HTTP, and goes on upstream with ``X-Rounded-Call-Id``.  Everything else it does by RFC 3261.

Dependencies point one way, from the bottom of this list to its top::

    model  events  ports                                values, facts and protocols
    sip -> transaction -> proxy -> calls    trunks      the core
    config                                              what the operator set
    http_client -> platform -> staging                  the shell
    transport  observability                            the shell
    assembly  app                                       where all of it meets
    cli  demo                                           users of all of it

The core is pure and synchronous: bytes and the passing of time go in, bytes and facts come out.  It
has no socket, no clock and no randomness of its own; all that is slow is a port (``ports.py``, read
it first).  An asyncio loop *is* a clock and a task *is* cancellable, so waiting for a timer and
waiting for the API read alike.

The way of an INVITE:

1. ``transport`` hands a datagram to ``transaction/layer.py``: retransmissions end there.
2. ``proxy/core.py`` validates the request; ``calls/new_calls.py`` asks admission whose call it is.
3. ``calls/staging_call.py`` answers 100 and starts staging.  The loop is free again.
4. ``staging`` is the only await in a call; its outcome is a value.
5. ``proxy/response_context.py`` forwards the INVITE to one target after another, each in a
   ``proxy/branch.py``.
6. Responses take the same way back, and ``staging/aftercare.py`` does the rest off the call's path.

``docs/architecture.md`` has the steps with links, the laws and the tests that hold them, and where
each kind of error is caught.
"""

__version__ = "0.1.0"
