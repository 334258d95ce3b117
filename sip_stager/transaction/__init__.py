"""Transactions: RFC 3261 17 with RFC 6026 and RFC 4320.

- ``layer.py``: creates transactions, and passes each message to its own
- ``matching.py``: 17.2.3, the key by which a request finds its transaction
- ``invite_server.py``, ``invite_client.py``: 17.2.1 and 17.1.1, the two state machines of an INVITE
- ``non_invite_server.py``, ``non_invite_client.py``: 17.2.2 and 17.1.2, those of other requests
- ``base.py``: what all four share; ``retransmitting_client.py``, ``answering_server.py``: what both
  clients and what both servers share
- ``hop_by_hop.py``: 17.1.1.3 and 9.1, the ACK of a failure, and CANCEL
- ``rejection.py``: 8.2.7, the rejection of messages without a transaction
- ``lost_flows.py``: 17.1.4, addresses that cannot be reached
- ``timers.py``: their values, and a clock for very many of them
- ``ownership.py``: the messages of one process, while two share a socket
- ``reporter.py``: each message as an event
"""
