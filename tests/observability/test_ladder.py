from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from sip_stager.events import (
    BreakerMoved,
    CallAdmitted,
    CallRefused,
    CallRinging,
    CallTreated,
    MessageReceived,
    MessageSent,
    StagingClaimed,
    StagingEnded,
    StagingPolled,
    StagingRetried,
    StagingStarted,
    StagingTerminated,
    StagingWasted,
)
from sip_stager.model.vocabulary import (
    BreakerState,
    StagingOutcome,
    TerminationOutcome,
    TreatmentKind,
    WasteReason,
)
from sip_stager.observability import ladder
from sip_stager.observability.ladder import Ladder
from sip_stager.sip.parser import parse
from sip_stager.trunks.phone_numbers import mask
from tests.observability.sample_events import (
    AGENT,
    CALL,
    CALLED,
    EVERYTHING,
    FLOW,
    INVITE,
    SIP_CALL_ID,
    STAGED,
    TRYING,
    message,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.events import Event
    from sip_stager.sip.message import Request, Response


class Page:
    """A ladder, the text that it prints, and its clock, moved by hand."""

    def __init__(self, shown: Callable[[str], str] = str, encoding: str = "utf-8") -> None:
        self.now = 100.0
        self._bytes = io.BytesIO()
        self._file = io.TextIOWrapper(self._bytes, encoding)
        self.ladder = Ladder(Console(file=self._file, width=80), shown, lambda: self.now)

    def draw(self, *events: Event) -> list[str]:
        self.text()
        for event in events:
            self.ladder.handlers[type(event)](event)
        return self.text()

    def text(self) -> list[str]:
        """Return the lines printed since the last call."""
        self._file.flush()
        raw = self._bytes.getvalue()
        self._bytes.seek(0)
        self._bytes.truncate()
        return raw.decode().split("\n")[:-1]


def received(message: Request | Response) -> MessageReceived:
    return MessageReceived(message, FLOW)


def sent(message: Request | Response) -> MessageSent:
    return MessageSent(message, AGENT)


def test_a_call_is_drawn_as_a_ladder() -> None:
    outgoing = message(f"INVITE sip:{CALLED}@agent.example;user=phone SIP/2.0")
    ok = message("SIP/2.0 200 OK")
    ack = message("ACK sip:agent.example SIP/2.0", "1 ACK")
    bye = message("BYE sip:caller@192.0.2.7 SIP/2.0", "1 BYE", "agent")
    bye_ok = message("SIP/2.0 200 OK", "1 BYE", "agent")
    page = Page()
    lines = [
        *page.draw(received(INVITE), sent(TRYING), StagingStarted(CALL, "sync"), STAGED),
        *page.draw(sent(outgoing), received(ok), sent(ok), received(ack), sent(ack)),
        *page.draw(received(bye), sent(bye), received(bye_ok), sent(bye_ok)),
    ]
    assert [line.removeprefix("#1      0.0 ") for line in lines] == [
        "│── INVITE +33123456789 ───▶│                          │           │",
        "│◀─────── 100 Trying ───────│                          │           │",
        "│                           │── POST /v1/calls/stage ─▶│           │",
        "│                           │◀───── 201 staged c-1 ────│           │",
        "│                           │──────── INVITE +33123456789 ────────▶│",
        "│                           │◀────────── 200 OK (INVITE) ──────────│",
        "│◀──── 200 OK (INVITE) ─────│                          │           │",
        "│─── ACK agent.example ────▶│                          │           │",
        "│                           │───────── ACK agent.example ─────────▶│",
        "│                           │◀───────────── BYE caller ────────────│",
        "│◀─────── BYE caller ───────│                          │           │",
        "│────── 200 OK (BYE) ──────▶│                          │           │",
        "│                           │──────────── 200 OK (BYE) ───────────▶│",
    ]


def test_the_columns_stand_below_their_names() -> None:
    page = Page()
    page.ladder.heading()
    [heading] = page.text()
    [line] = page.draw(received(message("OPTIONS sip:edge.example SIP/2.0", "1 OPTIONS")))
    columns = [at for at, character in enumerate(line) if character in "│▶"]
    starts = [heading.index(name) for name in ("caller", "sip-stager", "API")]
    assert [*starts, len(heading) - 1] == [columns[0], *columns[2:]]
    assert len(line) <= 80


def test_times_count_from_the_first_message_of_each_call() -> None:
    page = Page()
    page.draw(received(INVITE))
    page.now += 1.2345
    [late, other] = page.draw(
        sent(TRYING), received(message("INVITE sip:x@y SIP/2.0", call_id="2"))
    )
    assert late.startswith("#1   1234.5 ")
    assert other.startswith("#2      0.0 ")


def test_retransmissions_are_marked() -> None:
    page = Page()
    page.draw(received(INVITE), sent(TRYING), sent(INVITE))
    [came, went] = page.draw(received(INVITE), MessageSent(TRYING, FLOW, retransmission=True))
    assert "again: INVITE" in came
    assert "again: 100 Trying" in went


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (StagingPolled(CALL, "c-1", "initiated"), "◀──── status initiated ───│"),
        (
            StagingEnded(CALL, StagingOutcome.REFUSED, 0.1, {}, "", 404, "no"),
            "◀────── 404 refused ──────│",
        ),
        (StagingRetried(CALL, StagingOutcome.REFUSED, 429, 1.0), "◀── 429: again after 1 s ─│"),
        (
            StagingRetried(CALL, StagingOutcome.API_UNREACHABLE, 0, 0.203834),
            " api_unreachable: again after 0.2 s",
        ),
        (
            StagingEnded(CALL, StagingOutcome.BREAKER_OPEN, 0.0, {}),
            " not staged: the breaker is open",
        ),
        (
            StagingEnded(CALL, StagingOutcome.API_UNREACHABLE, 0.1, {}),
            " no complete response from the API",
        ),
        (StagingEnded(CALL, StagingOutcome.TIMEOUT, 4.0, {}), "──── closed: timeout ────▶│"),
        (StagingClaimed(CALL, "c-1"), " claimed c-1: staged earlier"),
        (StagingClaimed(CALL, "5c82a22c-1dfa"), " claimed 5c82a22c...: staged earlier"),
        (StagingWasted(CALL, "c-1"), " wasted c-1: not claimed in time"),
        (
            StagingWasted(CALL, "c-1", WasteReason.REJECTED),
            " wasted c-1: rejected upstream",
        ),
        (CallRinging(CALL, 180, 2.0, local=True), " own ringing: the agent is not ready"),
        (
            CallTreated(CALL, StagingOutcome.BUSY, TreatmentKind.AGENT, "so", 0.1),
            " busy: so; another agent is staged",
        ),
        (
            CallRefused(SIP_CALL_ID, "c", 503, StagingOutcome.TIMEOUT, "in 4 s", 4.0),
            " timeout: in 4 s",
        ),
    ],
)
def test_staging_has_its_lines(event: Event, line: str) -> None:
    page = Page()
    page.draw(received(INVITE))
    [seen] = page.draw(event)
    assert line in seen


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (BreakerMoved(BreakerState.OPEN, 20, 12, 5.0), "│ breaker open for 5 s: 12 of 20 failed"),
        (BreakerMoved(BreakerState.OPEN, 0, 0, 10.0), "│ breaker open for 10 s: probe failed"),
        (
            BreakerMoved(BreakerState.HALF_OPEN, 0, 0, 0.0),
            "│ breaker half-open: one call probes",
        ),
        (BreakerMoved(BreakerState.CLOSED, 0, 0, 0.0), "│ breaker closed: the API works again"),
        (
            StagingTerminated("c-1", TerminationOutcome.ENDED),
            "│─ POST terminate: ended ─▶│           │",
        ),
    ],
)
def test_an_event_of_no_call_has_no_number(event: Event, line: str) -> None:
    [seen] = Page().draw(event)
    assert seen == f"{' ' * 12}│{' ' * 27}{line}"


def test_some_events_have_no_line() -> None:
    assert Page().draw(CallAdmitted(CALL, FLOW), CallRinging(CALL, 180, 1.0)) == []


def test_text_of_strangers_is_escaped() -> None:
    page = Page()
    nasty = "[red]\x1b[2J\x9b\u202e\r"
    lines = page.draw(
        received(message(f"INVITE sip:{nasty[:-1]}@edge.example SIP/2.0")),
        StagingPolled(CALL, "c-1", nasty),
        StagingEnded(CALL, StagingOutcome.STAGED, 0.1, {}, nasty, 201),
        CallRefused(SIP_CALL_ID, "c", 503, StagingOutcome.REFUSED, nasty, 0.1),
    )
    assert len(lines) == 4
    assert set("".join(lines)) <= set("│─▶◀") | {chr(code) for code in range(0x20, 0x7F)}
    assert "[red]\\x1b[2J\\x9b\\u202e\\r" in lines[3]


def test_a_long_remark_is_wrapped_beside_its_column() -> None:
    page = Page()
    page.draw(received(INVITE))
    rows = page.draw(
        CallRefused(SIP_CALL_ID, "c", 503, StagingOutcome.API_UNREACHABLE, "no way " * 9, 4.0)
    )
    assert len(rows) > 1
    assert all(len(row) <= 80 for row in rows)
    column = " " * 12 + "│" + " " * 27 + "│ "
    assert all(row.startswith((f"{column}no way", f"{column}way")) for row in rows[1:])


def test_the_staged_id_of_an_invite_is_shown() -> None:
    staged = message("INVITE sip:agent.example SIP/2.0").with_first(
        b"x-rounded-call-id", b"X-Rounded-Call-Id: c-1"
    )
    page = Page()
    page.draw(received(INVITE))
    assert " INVITE X-Rounded-Call-Id: c-1 " in page.draw(sent(staged))[0]


def test_long_texts_are_cut_to_the_space_between_two_columns() -> None:
    [line] = Page().draw(received(message(f"INVITE sip:{'9' * 500}@edge.example SIP/2.0")))
    assert len(line) <= 80
    assert "99... ─▶│" in line


def test_a_message_without_a_readable_from_or_cseq_has_a_line() -> None:
    broken = parse(b"SIP/2.0 200 OK\r\nCall-ID: x\r\nFrom: <<\r\n\r\n")
    assert "200 OK (?)" in Page().draw(received(broken))[0]


def test_numbers_are_masked_by_default() -> None:
    page = Page(mask)
    assert CALLED[1:] not in str(page.draw(*EVERYTHING))
    assert CALLED in str(Page(str).draw(*EVERYTHING))


def test_a_terminal_without_unicode_gets_ascii() -> None:
    assert (
        Page(encoding="ascii")
        .draw(received(INVITE))[0]
        .endswith("|-- INVITE +33123456789 --->|                          |           |")
    )


def test_the_oldest_calls_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "MAX_CALLS", 3)
    page = Page()
    page.draw(*[received(message("INVITE sip:x@y SIP/2.0", call_id=str(n))) for n in range(10)])
    assert len(page.ladder._calls) == 3
    again = page.draw(received(message("INVITE sip:x@y SIP/2.0", call_id="9")))
    assert again[0].startswith("#10 ")


def test_the_messages_remembered_of_a_call_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "MAX_MESSAGES", 3)
    page = Page()
    page.draw(*[received(message(f"INFO sip:x{n}@y SIP/2.0", f"{n} INFO")) for n in range(10)])
    [course] = page.ladder._calls.values()
    assert len(course.seen) == 3
