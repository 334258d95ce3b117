"""What the fuzzer gives its inputs to, and what must hold whatever they are.

A target gets the pieces of a case and a ``Run``, in which it notes what was seen: an input that
shows something new is worth keeping.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from time import thread_time
from typing import TYPE_CHECKING, TypeVar

from fuzz.conversation import ADMISSION, conversation
from fuzz.http_connection import http
from sip_stager.model.call import Refusal
from sip_stager.platform import replies as answers
from sip_stager.sip.fields import Malformed
from sip_stager.sip.framing import Framer
from sip_stager.sip.message import Request, Response
from sip_stager.sip.parser import check_request, parse
from sip_stager.trunks.phone_numbers import is_e164
from tests.support.conversation import ALICE

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from fuzz.fuzz_case import Case

T = TypeVar("T")


@dataclass
class Run:
    """What one case has shown; ``slowest`` is in seconds of this thread's own time."""

    seen: set[Hashable] = field(default_factory=set)
    slowest: float = 0.0

    def timed(self, act: Callable[..., T], *arguments: object) -> T:
        began = thread_time()
        try:
            return act(*arguments)
        finally:
            self.slowest = max(self.slowest, thread_time() - began)


def run(case: Case) -> Run:
    """Run a case; whatever it raises is a finding."""
    seen = Run()
    _TARGETS[case.target](case.pieces, seen)
    seen.seen = {(case.target, one) for one in seen.seen}
    return seen


def message(pieces: Sequence[bytes], seen: Run) -> None:
    """What parses is written as it came; what is read from it raises nothing but Malformed."""
    for piece in pieces:
        try:
            parsed = seen.timed(parse, piece)
        except Malformed as fault:
            seen.seen.add(str(fault))
            continue
        written, start_line = bytes(parsed), len(parsed.start_line)
        came = piece.lstrip(b"\r\n")[: len(written)]
        assert came[start_line:] == written[start_line:]
        assert came[:start_line].upper() == written[:start_line].upper()  # sip/2.0 may be small
        again = parse(bytes(parsed))
        assert (again.start_line, again.fields) == (parsed.start_line, parsed.fields)
        assert (again.names, again.body) == (parsed.names, parsed.body)
        seen.timed(_read, parsed, seen)


def _read(parsed: Request | Response, seen: Run) -> None:
    names = ["cseq", "from_", "to", "to_tag", "branch", "top_via", "call_id"]
    names += ["uri"] if isinstance(parsed, Request) else []
    for name in names:
        try:
            value = getattr(parsed, name)
        except Malformed as fault:
            seen.seen.add((name, str(fault)))
        else:
            seen.seen.add((name, bool(value)))
    for field_name in set(parsed.names):
        with suppress(Malformed):
            parsed.values(field_name)
    if isinstance(parsed, Request):
        with suppress(Malformed):
            parsed.note_source("192.0.2.77", 4444)
            parse(bytes(parsed))
        try:
            check_request(parsed)
        except Malformed as fault:
            seen.seen.add(("check", str(fault), fault.status))


def stream(pieces: Sequence[bytes], seen: Run) -> None:
    """However a stream is cut into segments, the same messages come out of it."""
    data = b"".join(pieces)
    whole = seen.timed(_framed, [data])
    chance = Random(blake2b(data).digest())
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(5))
    ends = [*cuts, len(data)]
    somehow = [data[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    one_by_one = [data[at : at + 1] for at in range(len(data))] if len(data) < 3000 else [data]
    for segments in (pieces, somehow, one_by_one):
        assert _framed(segments) == whole
    found, pings, fault = whole
    seen.seen.update([("found", min(len(found), 4)), ("pings", min(pings, 3)), fault])


def _framed(segments: Sequence[bytes]) -> tuple[list[bytes], int, str]:
    framer = Framer()
    found: list[bytes] = []
    try:
        for segment in segments:
            found.extend(framer.feed(segment))
    except Malformed as fault:
        return found, framer.pings, str(fault)
    return found, framer.pings, ""


def trunks(pieces: Sequence[bytes], seen: Run) -> None:
    """Admission gives a call or a refusal, with numbers that are numbers."""
    for piece in pieces:
        try:
            invite = parse(piece)
            if not isinstance(invite, Request):
                continue
            decision = seen.timed(ADMISSION.admit, invite, ALICE)
        except Malformed as fault:
            seen.seen.add(str(fault))
            continue
        if isinstance(decision, Refusal):
            assert decision.text.isascii()
            assert decision.text.isprintable()
            seen.seen.add(decision.cause)
        else:
            assert is_e164(decision.from_number)
            assert decision.call_id.isascii()
            seen.seen.add(("admitted", decision.from_number == "+10000000000"))


def answer(pieces: Sequence[bytes], seen: Run) -> None:
    """Whatever the API says can be read, and is fit to be shown."""
    for piece in pieces:
        read = seen.timed(answers.json_object, piece)
        words = answers.sanitize(answers.error_text(read))
        assert words.isprintable()
        after = seen.timed(answers.retry_after, piece.decode("latin-1"), 0.0)
        assert after is None or after >= 0
        tokens = [answers.is_token(value) for value in read.values()]
        seen.seen.add((len(read) > 0, words != "", after is None, any(tokens)))


_TARGETS: dict[str, Callable[[Sequence[bytes], Run], None]] = {
    "message": message,
    "conversation": conversation,
    "stream": stream,
    "trunks": trunks,
    "answer": answer,
    "http": http,
}
