"""The proxy core (RFC 3261 16).

The decision on a new request:

- ``core.py``: dispatch by kind: new call, request of a dialog, ACK, CANCEL, request to ourselves
- ``routing.py``: preprocessing (16.4) and the next hop (16.6 steps 6 and 7)
- ``validation.py``: the checks of 16.3, and our own responses as a user agent
- ``seal.py``: the signature in our Record-Route that proves a dialog is ours
- ``relay.py``: a request of a dialog other than INVITE, until it is answered
- ``dialog_road.py``: the short road of usual requests of dialogs
- ``ending.py``: the calls when the program stops

A new call:

- ``new_calls.py``: admission of INVITEs that begin calls
- ``bounds.py``: limits above which new calls are refused
- ``second_copy.py``: an INVITE that arrived by a second path while the first copy is in progress
- ``held.py``: the INVITE while its agent is staged
- ``treatments.py``: the policy's fallbacks for a call that could not be staged
- ``new_call.py``: the record of a new call: its staged id, and which branches got it
- ``told.py``: the Warnings that explain a refusal

An INVITE that is forwarded:

- ``invite.py``: the response context (16.7)
- ``branch.py``: one target of it, until its final response
- ``targets.py``: the target set (16.5) and redirections
- ``finals.py``: the choice of the best response (16.7 steps 6 and 7)

Shared:

- ``facilities.py``: the services that all of these use
- ``forwarding.py``: the copy of a request that is forwarded (16.6)
- ``location.py``: the flow to a next hop
- ``interfaces.py``: our listeners, and the addresses that others know them by
- ``equivalence.py``: URI comparison (19.1.4)
- ``mistakes.py``: a decorator that answers the caller when our own code raises
"""
