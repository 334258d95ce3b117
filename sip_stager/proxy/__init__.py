"""What becomes of a request: RFC 3261 16.

``core.py`` validates and decides, ``routing.py`` reads where a request wants to go, ``location.py``
finds the way there, and ``forwarding.py`` makes the copy that goes.  ``held.py`` is a new call
while it is staged, ``invite.py`` an INVITE that goes on, ``relay.py`` any other request of a
dialog; ``facilities.py`` is what they share, ``interfaces.py`` what we listen on.
"""
