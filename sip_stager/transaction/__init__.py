"""Who answers whom, and how often: RFC 3261 17 with RFC 6026 and RFC 4320.

One file a machine, and ``layer.py``, which finds the transaction that a message belongs to.
"""
