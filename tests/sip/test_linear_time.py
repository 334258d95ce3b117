"""Parsing takes time in proportion to the bytes: strangers choose how long a message is.

The numbers of lines, values and parameters have limits (``MAX_HEADER_LINES``, ``MAX_VALUES``), so
loops over them need no measurement. Regular expressions on one long run of characters do.
"""

from __future__ import annotations

import re
import signal
from contextlib import suppress
from time import process_time
from typing import TYPE_CHECKING

import pytest

from sip_stager.sip.field_grammar import (
    Malformed,
    canonical_names,
    parse_parameters,
    split_list,
    unfold,
)
from sip_stager.sip.framing import Framer, end_with_crlf
from sip_stager.sip.parser import parse
from sip_stager.sip.parties import parse_party, split_parties
from sip_stager.sip.salvage import salvage_call_id, salvage_request
from sip_stager.sip.uri import as_request_uri, parse_address, parse_uri
from sip_stager.sip.via import branch_of, parse_via, with_source
from tests.support.reading import outcomes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEP = 4
LINEAR = 2.5 * STEP
"""Limit on the factor to the next size's time; quadratic time would take 16 times as long."""
MEASURABLE = 0.002
"""Seconds; shorter times are too inexact to compare."""
LARGEST = 61_440
"""The size of a run that fits into a datagram, in bytes."""


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Fail a test that would hang."""

    def bark(*_: object) -> None:
        raise AssertionError("a regular expression backtracks over a run of equal characters")

    signal.signal(signal.SIGVTALRM, bark)
    signal.setitimer(signal.ITIMER_VIRTUAL, 60.0)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)


def grows_linearly(read: Callable[[bytes], object], make: Callable[[int], bytes]) -> bool:
    """True if no size takes much more than four times as long as a quarter of it."""

    def cost(data: bytes) -> float:
        best = float("inf")
        for _ in range(3):
            begin = process_time()
            with suppress(Malformed):
                read(data)
            best = min(best, process_time() - begin)
        return best

    before = MEASURABLE
    size = 15
    while size <= LARGEST:
        now = cost(make(size))
        if now > LINEAR * max(before, MEASURABLE):
            return False
        before, size = now, size * STEP
    return True


def read_all(data: bytes) -> set[str]:
    return outcomes(parse(data))


def invite(head: bytes) -> bytes:
    return b"INVITE sip:a@b SIP/2.0\r\n" + head + b"\r\n\r\n"


# By part of a message: runs over which a regular expression might backtrack.
RUNS: dict[str, Callable[[int], bytes]] = {
    "request line": lambda n: b"INVITE" + b" " * n + b"x\r\n\r\n",
    "method": lambda n: b"I" * n + b"(\r\n\r\n",
    "blanks in the uri": lambda n: b"INVITE sip:a" + b" b" * (n // 2) + b"\r\n\r\n",
    "versions": lambda n: b"INVITE sip:a" + b" SIP/2.0" * (n // 8) + b"x\r\n\r\n",
    "digits of the version": lambda n: b"INVITE a:b SIP/" + b"1" * n + b".1x\r\n\r\n",
    "two runs": lambda n: b"INVITE a:b" + b" " * n + b"x" + b" " * n + b"\r\n\r\n",
    "status line": lambda n: b"SIP/2.0 200 " + b" " * n + b"\r\nVia: x\r\n\r\n",
    "name": lambda n: invite(b"A" * n + b" " * n),
    "blanks ahead of a colon": lambda n: invite(b"To" + b" " * n + b"x: y"),
    "via": lambda n: invite(b"Via: SIP/2.0/UDP h" + b" " * n + b"x"),
    "via, slashes": lambda n: invite(b"Via: SIP" + b" " * n + b"/2.0" + b" " * n + b"x"),
    "via, ports": lambda n: invite(b"Via: SIP/2.0/UDP h:" + b"5" * n),
    "via, parameters": lambda n: invite(b"Via: SIP/2.0/UDP h" + b";rport" * (n // 6)),
    "rport": lambda n: invite(b"Via: SIP/2.0/UDP h;rport" + b" " * n + b"x"),
    "branches": lambda n: invite(b"Via: SIP/2.0/UDP h" + b";branch =" * (n // 9)),
    "blank branches": lambda n: invite(b"Via: SIP/2.0/UDP h;" + b" " * n + b";branch=z9hG4bK1"),
    "to": lambda n: invite(b"To: a" + b" " * n + b"x"),
    "from": lambda n: invite(b"From: " + b"\x0b" * n + b"x"),
    "parameters": lambda n: invite(b"To: <a:b>" + b"; " * (n // 2) + b'"'),
    "quotes": lambda n: invite(b"To: " + b'"' * (n | 1)),
    "open brackets": lambda n: invite(b"Route: ," + b"<" * n),
    "pairs of brackets": lambda n: invite(b"Route: ," + b"<>" * (n // 2) + b"<"),
    "tags": lambda n: invite(b"To: a" + b";tag=" * (n // 5)),
    "blank tags": lambda n: invite(b"To: a;" + b" " * n + b"tag" + b" " * n + b"x"),
    "backslashes": lambda n: invite(b'To: "' + b"\\" * (n | 1)),
    "commas": lambda n: invite(b"Via: " + b"," * n),
    "folds": lambda n: invite(b"To: a" + b"\r\n " * (n // 3)),
    "long folds": lambda n: invite(b"To: a" + (b"\r\n" + b" " * (n // 100)) * 100 + b"x"),
    "line breaks ahead": lambda n: b"\r\n" * (n // 2) + invite(b"A: b"),
    "cseq": lambda n: invite(b"CSeq: 1" + b" " * n + b"1"),
    "content-length": lambda n: invite(b"l: " + b"1" * n),
    "uri": lambda n: b"INVITE sip:" + b"@:" * (n // 2) + b" SIP/2.0\r\nA: b\r\n\r\n",
}


@pytest.mark.parametrize("name", RUNS)
def test_parsing_a_message_takes_linear_time(name: str) -> None:
    """Beyond the RFCs: parsing takes time in proportion to the length of a message, for any
    content.
    """
    assert grows_linearly(read_all, RUNS[name])


def unit(text: bytes, tail: bytes = b"") -> Callable[[int], bytes]:
    return lambda n: text * (n // len(text)) + tail


TEXTS = {
    repr(text + tail): unit(text, tail)
    for text in (b" ", b"a", b";", b"; a", b";a=", b'"', b'\\"', b'"a"', b"<", b"<>", b"[", b"[:")
    for tail in (b"", b"x", b'"', b">", b"\x00")
} | {
    repr(text): unit(text)
    for text in (
        b"\r\n ",
        b"\n ",
        b"\r ",
        b"\nv:",
        b"\nx-",
        b"\r\n\t a",
        b";rport ",
        b";received=",
        b"%41",
    )
}
READERS: dict[str, Callable[[bytes], object]] = {
    "unfold": unfold,
    "split_list": split_list,
    "split_list, one comma": lambda text: split_list(b"," + text),
    "parse_parameters": parse_parameters,
    "parse_parameters, one": lambda text: parse_parameters(b";a=" + text),
    "parse_uri": parse_uri,
    "parse_uri, of SIP": lambda text: parse_uri(b"sip:a@b" + text),
    "as_request_uri": lambda text: as_request_uri(b"sip:b;method" + text),
    "parse_address": parse_address,
    "parse_address, of SIP": lambda text: parse_address(b"<sip:a@b>" + text),
    "parse_party": parse_party,
    "parse_party, of SIP": lambda text: parse_party(b'"<sip:a@b>' + text),
    "split_parties": lambda text: list(split_parties(b"," + text)),
    "parse_via": parse_via,
    "parse_via, parameters": lambda text: parse_via(b"SIP/2.0/UDP h" + text),
    "branch_of": branch_of,
    "canonical_names": lambda text: canonical_names((b"x-rounded" + text, text, text + b":")),
    "canonical_names, many": lambda text: canonical_names(
        tuple(text[i : i + 50] for i in range(0, len(text), 50))
    ),
    "end_with_crlf": lambda text: end_with_crlf(b"INVITE\n" + text),
    "salvage_request": lambda text: salvage_request(b"INVITE\nv:" + text + b"\nv:" + text),
    "salvage_call_id": lambda text: salvage_call_id(b"INVITE\ni:" + text),
    "Framer": lambda text: list(Framer().feed(b"INVITE\n" + text + b"\nl:" + text)),
    "with_source": lambda text: with_source(
        text, parse_via(b"SIP/2.0/UDP h;rport;received"), "192.0.2.1", 5060
    ),
}


@pytest.mark.parametrize("name", READERS)
def test_each_regular_expression_takes_linear_time(name: str) -> None:
    """Beyond the RFCs: each regular expression takes time in proportion to the length of its
    input.
    """
    slow = [text for text, make in TEXTS.items() if not grows_linearly(READERS[name], make)]
    assert not slow


def test_the_measurement_tells_quadratic_from_linear_time() -> None:
    """A regular expression that is not anchored searches a run again from each character."""
    assert not grows_linearly(re.compile(rb"a+b").search, unit(b"a"))
    assert grows_linearly(re.compile(rb"a++b").match, unit(b"a"))
