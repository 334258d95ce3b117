"""New calls, beyond the RFC: overload, admission, staging, fallbacks, the end of the program.

In the order in which a call meets them:

- ``overload.py``: the overload control: how many new calls are admitted
- ``load_shedder.py``: the refusal of the others, ahead of the transaction layer
- ``strangers.py``: addresses of no trunk and no upstream, ahead of the transaction layer as well
- ``new_calls.py``: takes INVITEs that begin calls, by trunk and number and within the bounds
- ``second_copy.py``: an INVITE that arrived by a second path while the first copy is in progress
- ``staging_call.py``: the INVITE while its agent is staged
- ``next_treatment.py``: the policy's steps for a call that could not be staged
- ``call_report.py``: what observers learn of a call, and what became of its staged id
- ``flow_keepalives.py``: keepalives to callers behind a NAT while their calls are up
- ``shutdown.py``: the calls when the program stops
"""
