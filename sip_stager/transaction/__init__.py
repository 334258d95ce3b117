"""Transactions: RFC 3261 17 with RFC 6026 and RFC 4320.

One file per state machine, and ``layer.py``, which matches messages to transactions.
"""
