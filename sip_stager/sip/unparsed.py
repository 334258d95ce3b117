"""New INVITEs read without being parsed: only what a stateless response needs (RFC 3261 8.2.7).

In overload an INVITE that is refused must cost a small part of one that is served, so its lines are
looked at once and copied.  Whatever is not written as nearly all peers write it is left to the
parser: folded lines, several values in the top Via, a CSeq with extra blanks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.sip.field_grammar import NAMES, Malformed
from sip_stager.sip.message import Request
from sip_stager.sip.parser import MAX_HEADER_LINES, parse
from sip_stager.sip.via import COOKIE, Via, noteworthy, parse_via, usual_via, with_source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_stager.model.flow import Flow

_TO_TAG = re.compile(
    rb"\n(?:To|t)[ \t]*+:[^\r\n]*?;[ \t]*+tag[ \t]*+=[ \t]*+([^\s;,]*+)", re.IGNORECASE
)
_CSEQ = re.compile(rb"[^:]*+:[ \t]*+([0-9]{1,9}+) INVITE\Z")
_ORDER = (b"from", b"to", b"call-id", b"cseq")
_ONCE = frozenset(_ORDER)


class InviteHead(NamedTuple):
    """The part of a new INVITE that a stateless response needs.

    ``via`` is the top Via as the peer wrote it.  ``rows`` are the header fields to copy, in the
    order of a response: every Via, with the source in the top one, From, To, Call-ID and CSeq.
    ``request`` is the whole INVITE if it had to be parsed.
    """

    via: Via
    rows: tuple[bytes, ...]
    call_id: bytes
    cseq: bytes
    request: Request | None = None


def is_new_invite(data: bytes) -> bool:
    """Return True if a message looks like an INVITE that begins a call: its To has no tag."""
    return data.startswith(b"INVITE ") and not _TO_TAG.search(data)


def to_tag(data: bytes) -> bytes:
    """Return the tag of a message's To; empty if it has none, or is not written as usual."""
    match = _TO_TAG.search(data)
    return match[1] if match else b""


def read_invite(data: bytes, source: Flow, max_lines: int = MAX_HEADER_LINES) -> InviteHead | None:
    """Read a new INVITE; None if it is invalid, or no new one after all."""
    return _read_usual(data, source, max_lines) or _read_parsed(data, source, max_lines)


def make_stateless_response(
    head: InviteHead, status: int, reason: bytes, tag: bytes, extra: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """Return a response to an INVITE; the same bytes as ``responses.make_response``."""
    *vias, sender, to, call_id, cseq = head.rows
    return b"\r\n".join(
        (
            b"SIP/2.0 %d %b" % (status, reason),
            *vias,
            sender,
            to + b";tag=" + tag,
            call_id,
            cseq,
            *(name + b": " + value for name, value in extra),
            b"Content-Length: 0\r\n\r\n",
        )
    )


def _read_usual(data: bytes, source: Flow, max_lines: int) -> InviteHead | None:
    """Read an INVITE that is written as usual; None for the parser."""
    head, blank_line, _ = data.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    breaks = len(lines) - 1
    # As in the parser: a lone CR or LF is a line break to some peers.
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or breaks > max_lines:
        return None
    if not blank_line or b"\n " in head or b"\n\t" in head:
        return None
    vias: list[bytes] = []
    found: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name = NAMES[line[: line.find(b":") + 1]]
        if name == b"via":
            vias.append(line)
        elif name in _ONCE:
            if name in found:
                return None
            found[name] = line
    return _usual_head(vias, found, source) if vias and len(found) == len(_ONCE) else None


def _usual_head(vias: list[bytes], found: dict[bytes, bytes], source: Flow) -> InviteHead | None:
    top, cseq, call_id = vias[0], _CSEQ.match(found[b"cseq"]), found[b"call-id"]
    if cseq is None or b"," in top:
        return None
    try:
        via = usual_via(top) or parse_via(top.partition(b":")[2].strip(b" \t"))
    except Malformed:
        return None
    if not via.readable or not via.branch.startswith(COOKIE):
        return None
    if noteworthy(via, source.host):
        vias[0] = with_source(top, via, source.host, source.port)
    rows = *vias, found[b"from"], found[b"to"], call_id, found[b"cseq"]
    return InviteHead(via, rows, call_id.partition(b":")[2].strip(b" \t"), b"%d" % int(cseq[1]))


def _read_parsed(data: bytes, source: Flow, max_lines: int) -> InviteHead | None:
    """Read any other INVITE with the parser."""
    try:
        request = parse(data, max_lines)
        if not isinstance(request, Request) or request.method != b"INVITE" or request.to_tag:
            return None
        request.note_source(source)
        rows = *request.rows(b"via"), *(request.rows(name)[0] for name in _ORDER)
        return InviteHead(request.top_via, rows, request.call_id, b"%d" % request.cseq[0], request)
    except (Malformed, IndexError):  # a field that must be there is not
        return None
