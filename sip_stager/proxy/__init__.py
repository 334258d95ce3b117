"""The proxy core: RFC 3261 16, one file for each of its sections.

What happens to a request, in the RFC's order:

- ``core.py``: dispatch by kind: new call, request of a dialog, ACK, CANCEL, request to ourselves
- ``validation.py``: 16.3, and our own responses as a user agent
- ``preprocessing.py``: 16.4, the Route
- ``target_set.py``: 16.5, and the Contacts of a redirection
- ``target_search.py``: the targets that are left, one after another
- ``request_forwarding.py``: 16.6, the next hop and the copy that is sent to it
- ``response_forwarding.py``: 16.7 step 3, the removal of our Via from a response
- ``response_context.py``: 16.7, the targets of an INVITE and its responses
- ``call_observer.py``: what a response context reports of a new call
- ``best_response.py``: 16.7 steps 6 and 7
- ``branch.py``: 16.8 and 16.9, one target of an INVITE until its final response
- ``stateless.py``: 16.11, the ACK of a 2xx
- ``non_invite_relay.py``: a request of a dialog other than INVITE, until its final response
- ``dialog_routing.py``: 16.4 to 16.6 for a request of a dialog
- ``dialog_fast_path.py``: the same, fast, for usual requests

What they share:

- ``sender.py``: the sending of requests: INVITE, ACK, CANCEL, any other
- ``responder.py``: responses of our own, and refusals
- ``seal.py``: the signature in our Record-Route that proves a dialog is ours
- ``flow_token.py``: the address that an INVITE came from, in the seal, for a caller behind a NAT
- ``callee_naming.py``: the callee's address in the seal that the caller gets (16.7 step 8)
- ``relay_rules.py``: where a request of a dialog that comes from a stranger may go
- ``interfaces.py``: our listeners, and the addresses that others know them by
- ``local_addresses.py``: the addresses of this machine that wildcard listeners are used at
- ``hosts.py``: IP addresses and names in URIs and flows
- ``next_hop.py``: the flow to a next hop
- ``equivalence.py``: URI comparison (19.1.4)
- ``bounds.py``: limits above which new calls are refused
- ``refusals.py``: the Warnings that explain a refusal
- ``answer_on_error.py``: a decorator that answers the caller when our own code raises

New calls are the business of ``calls/``, which this room does not know.
"""
