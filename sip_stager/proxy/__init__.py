"""What becomes of a request: RFC 3261 16.

``core.py`` validates and decides, ``routing.py`` reads where a request wants to go,
``forwarding.py`` makes the copy that goes there, and ``invite.py`` and ``relay.py`` each follow
one request until it is answered.
"""
