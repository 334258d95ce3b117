"""What becomes of a request: RFC 3261 16.

``core.py`` decides, within ``bounds.py``: ``validation.py`` says whether a request can be taken,
``routing.py`` where it wants to go, ``targets.py`` where a new call may go, ``location.py`` finds
the way there, and ``forwarding.py`` makes the copy that goes.  ``held.py`` is a new call while it
is staged, ``treatments.py`` what is done where it can not be, ``new_call.py`` what was staged for
it, ``invite.py`` an INVITE that goes on, with a ``branch.py`` for each target and ``finals.py`` for
the best of their answers, ``relay.py`` any other request of a dialog.  ``facilities.py`` is what
they share, ``interfaces.py`` what we listen on, ``equivalence.py`` says which URIs are one,
``seal.py`` is our signature in Record-Route, and ``mistakes.py`` sees that a mistake of ours leaves
nobody without an answer.
"""
