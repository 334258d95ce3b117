"""The targets of the fuzzer: the code under test, and what must hold for any input.

A target gets the pieces of a case and records the behaviours that they show in a ``CaseResult``: a
case that shows a new behaviour is worth keeping.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from time import thread_time
from typing import TYPE_CHECKING, TypeVar

from fuzz.conversation import ADMISSION, conversation
from fuzz.http_connection import http_connection
from sip_stager.model.call import Refusal
from sip_stager.model.flow import Flow
from sip_stager.platform import replies
from sip_stager.sip.field_grammar import Malformed
from sip_stager.sip.framing import Framer
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import check_request, parse
from sip_stager.sip.responses import make_response
from sip_stager.sip.salvage import salvage_call_id, salvage_request
from sip_stager.trunks.phone_numbers import is_e164
from tests.support.conversation import ALICE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fuzz.fuzz_case import Case

T = TypeVar("T")


@dataclass
class CaseResult:
    """The behaviours of one case; ``slowest`` is the slowest step in CPU seconds of this thread."""

    behaviours: set[Hashable] = field(default_factory=set)
    slowest: float = 0.0

    def timed(self, step: Callable[..., T], *arguments: object) -> T:
        """Call a function and record its CPU time."""
        started = thread_time()
        try:
            return step(*arguments)
        finally:
            self.slowest = max(self.slowest, thread_time() - started)


def run_case(case: Case) -> CaseResult:
    """Run a case; any exception is a finding."""
    result = CaseResult()
    _TARGETS[case.target](case.pieces, result)
    result.behaviours = {(case.target, one) for one in result.behaviours}
    return result


def message(pieces: Sequence[bytes], result: CaseResult) -> None:
    """Check that a parsed message is written byte for byte, and that only Malformed is raised."""
    for piece in pieces:
        try:
            parsed = result.timed(parse, piece)
        except Malformed as fault:
            result.behaviours.add(str(fault))
            _salvage(piece, result)
            continue
        written, start_line = bytes(parsed), len(parsed.start_line)
        received = _with_crlf(piece.lstrip(b"\r\n"))[: len(written)]
        assert received[start_line:] == written[start_line:]
        # "sip/2.0" may be lower case.
        assert received[:start_line].upper() == written[:start_line].upper()
        again = parse(bytes(parsed))
        assert (again.start_line, again.fields) == (parsed.start_line, parsed.fields)
        assert (again.names, again.body) == (parsed.names, parsed.body)
        result.timed(_read_fields, parsed, result)


def _with_crlf(piece: bytes) -> bytes:
    """Return a message whose header has LF alone with CR LF in it, any other as it is."""
    head, blank_line, body = piece.partition(b"\n\n")
    is_lf = blank_line and b"\r" not in head
    return b"\r\n\r\n".join((head.replace(b"\n", b"\r\n"), body)) if is_lf else piece


def _salvage(piece: bytes, result: CaseResult) -> None:
    """Check that the response to what cannot be parsed is a message."""
    found = result.timed(salvage_request, piece)
    result.behaviours.add(("salvaged", len(found.names) if found else -1))
    assert salvage_call_id(piece).isascii()
    if found is not None:
        response = make_response(found, 400, b"tag")
        assert bytes(parse(bytes(response))) == bytes(response)


def _read_fields(parsed: Request | Response, result: CaseResult) -> None:
    names = ["cseq", "from_", "to", "to_tag", "branch", "top_via", "call_id"]
    names += ["uri"] if isinstance(parsed, Request) else []
    for name in names:
        try:
            value = getattr(parsed, name)
        except Malformed as fault:
            result.behaviours.add((name, str(fault)))
        else:
            result.behaviours.add((name, bool(value)))
    for field_name in set(parsed.names):
        with suppress(Malformed):
            parsed.values(field_name)
    if isinstance(parsed, Request):
        with suppress(Malformed):
            parsed.note_source(Flow("UDP", "192.0.2.77", 4444))
            parse(bytes(parsed))
        try:
            check_request(parsed)
        except Malformed as fault:
            result.behaviours.add(("check", str(fault), fault.status))


def stream(pieces: Sequence[bytes], result: CaseResult) -> None:
    """Check that a stream yields the same messages however it is cut into segments."""
    data = b"".join(pieces)
    whole = result.timed(_framed, [data])
    chance = Random(blake2b(data).digest())
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(5))
    ends = [*cuts, len(data)]
    at_random = [data[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    one_by_one = [data[at : at + 1] for at in range(len(data))] if len(data) < 3000 else [data]
    for segments in (pieces, at_random, one_by_one):
        assert _framed(segments) == whole
    found, pings, fault = whole
    result.behaviours.update([("found", min(len(found), 4)), ("pings", min(pings, 3)), fault])


def _framed(segments: Sequence[bytes]) -> tuple[list[bytes], int, str]:
    framer = Framer()
    found: list[bytes] = []
    try:
        for segment in segments:
            found.extend(framer.feed(segment))
    except Malformed as fault:
        return found, framer.pings, str(fault)
    return found, framer.pings, ""


def trunks(pieces: Sequence[bytes], result: CaseResult) -> None:
    """Check that admission returns a call with valid numbers or a refusal with a printable text."""
    for piece in pieces:
        try:
            invite = parse(piece)
            if not isinstance(invite, Request):
                continue
            decision = result.timed(ADMISSION.admit, invite, ALICE)
        except Malformed as fault:
            result.behaviours.add(str(fault))
            continue
        if isinstance(decision, Refusal):
            assert decision.text.isascii()
            assert decision.text.isprintable()
            result.behaviours.add(decision.cause)
        else:
            assert is_e164(decision.from_number)
            assert decision.call_id.isascii()
            result.behaviours.add(("admitted", decision.from_number == "+10000000000"))


def api_reply(pieces: Sequence[bytes], result: CaseResult) -> None:
    """Check that any reply of the API can be read, and that its texts are safe to print."""
    for piece in pieces:
        reply = result.timed(replies.json_object, piece)
        text = replies.sanitize(replies.error_text(reply))
        assert text.isprintable()
        after = result.timed(replies.retry_after, piece.decode("latin-1"), 0.0)
        assert after is None or after >= 0
        tokens = [replies.is_token(value) for value in reply.values()]
        result.behaviours.add((len(reply) > 0, text != "", after is None, any(tokens)))


_TARGETS: dict[str, Callable[[Sequence[bytes], CaseResult], None]] = {
    "message": message,
    "conversation": conversation,
    "stream": stream,
    "trunks": trunks,
    "api_reply": api_reply,
    "http_connection": http_connection,
}
