"""The two lines of a call: ``call_forwarded``, and ``call_ended`` with all that is known.

::

    CallRefused ----------------------------------------------------> call_ended

    InviteForwarded --> record --- CallEnded, not answered ----------> call_ended
                          |
                          +------- CallEnded, answered --> record
                                                             |
                              CallAcknowledged: waits no more for the ACK
                                                             |
                              CallHungUp, no ACK in time, store full, stop --> call_ended

Every call has one ``call_ended`` (``ended_lines.py``): also a call that was cancelled or refused
while it was staged, one to a number that is not mapped, one from an unknown source, and, after a
restart, a BYE without a record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_stager.events import (
    CallAcknowledged,
    CallEnded,
    CallHungUp,
    CallRefused,
    CallTreated,
    InviteForwarded,
)
from sip_stager.model.vocabulary import CallOutcome
from sip_stager.observability.call_records import CallRecord, CallRecords, key_of
from sip_stager.observability.call_verdict import (
    judge_hung_up,
    judge_no_ack,
    judge_refusal,
    judge_unseen,
)
from sip_stager.observability.log_fields import flow_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_stager.model.call import Call
    from sip_stager.observability.call_verdict import Verdict
    from sip_stager.observability.ended_lines import EndedLines
    from sip_stager.observability.log_fields import LogFields
    from sip_stager.observability.logs import Logger
    from sip_stager.observability.staging_log import StagingLog
    from sip_stager.ports import Handlers
    from sip_stager.sip.message import Message

ACK_TIMEOUT = 34.0
"""Seconds: 64 * T1, after which the agent gives up and sends a BYE (RFC 3261 13.3.1.4), and two
for that BYE to arrive: it says more than the silence."""
_NOT_OVER = frozenset({401, 407})
"""Responses to a BYE after which the same side sends it again with credentials."""


class CallLog:
    """Writes the lines; ``handlers`` are its observer, ``records`` the calls that are up."""

    def __init__(
        self,
        logger: Logger,
        fields: LogFields,
        stagings: StagingLog,
        lines: EndedLines,
        clock: Callable[[], float],
        max_records: int,
    ) -> None:
        self._logger, self._fields, self._stagings, self._lines = logger, fields, stagings, lines
        self._clock = clock
        self.records = CallRecords(max_records, self._gave_way)
        self.handlers: Handlers = {
            CallTreated: self._note_treatment,
            InviteForwarded: self._log_forwarded,
            CallRefused: self._end_refused,
            CallEnded: self._end_invite,
            CallAcknowledged: self._note_ack,
            CallHungUp: self._end_hung_up,
        }

    def expire(self) -> None:
        """End the calls whose ACK never came; to be called every second or so.

        The lines that were gathered meanwhile are written as well.
        """
        self._lines.flush()
        waiting, now = self.records.unacknowledged, self._clock()
        while waiting:
            record = next(iter(waiting.values()))
            waited = now - record.started_at - record.times["answered"]
            if record.is_over:  # a BYE came first
                del waiting[record.key]
            elif waited < ACK_TIMEOUT:
                return
            else:
                del waiting[record.key]
                self._end(record, judge_no_ack(waited))

    def end_unseen(self, count: int) -> int:
        """End up to ``count`` calls, because the program stops; return the number that is left."""
        self._lines.flush()
        for _ in range(count):
            record = self.records.oldest()
            if record is None:
                break
            self._end(record, judge_unseen(record, stopping=True))
        return len(self.records)

    def _note_treatment(self, event: CallTreated) -> None:
        record = self._record(event.call, event.elapsed)
        if record is not None:
            record.more = {
                "treatment": event.treatment,
                "treated_cause": event.cause,
                "text": self._fields.text(event.text),
            }

    def _log_forwarded(self, event: InviteForwarded) -> None:
        call, staged_id, elapsed = event.call, event.staged_id, event.elapsed
        fields = self._fields.call(call)
        target, seconds = flow_text(event.target), round(elapsed, 4)
        self._logger.info(
            "call_forwarded",
            **fields,
            staged_id=staged_id,
            target=target,
            attempt=event.attempt,
            elapsed_seconds=seconds,
            **self._stagings.pop_times(call.call_id),
        )
        key, records = call.call_id.encode(), self.records
        record = records.of_call(key, call, staged_id) if key in records.newest else None
        # A copy of a cancelled INVITE may begin another call while the first is not over.
        if record is None or (event.attempt == 1 and "forwarded" in record.times):
            record = CallRecord(key, call, fields, self._clock() - elapsed)
            records.add(record)
        if event.attempt == 1:
            record.times["forwarded"] = seconds
        record.target = target
        record.staged_id = staged_id

    def _end_refused(self, event: CallRefused) -> None:
        if event.call is None:
            self._lines.write_unadmitted(event)
            return
        record = self._record(event.call, event.elapsed)
        if record is None:
            return
        record.sent = b"SIP/2.0 %d %b" % (event.status, event.reason.encode())
        staging = self._stagings.pop_times(event.call_id)
        record.more = {**record.more, "text": self._fields.text(event.text), **staging}
        _note_times(record, own_ringing=event.own_ringing, end=event.elapsed)
        self.records.pop(record)
        self._lines.write_refused(record, judge_refusal(event.cause, event.status))

    def _end_invite(self, event: CallEnded) -> None:
        call, sent = event.call, event.sent
        key = call.call_id.encode()
        record = self.records.newest.get(key)
        answered = event.outcome is CallOutcome.ANSWERED
        if record is None or record.older is not None or not answered:
            record = self._record(call, event.elapsed, event.staged_id)
        if record is None:
            return
        if sent is not None:
            record.sent = sent.start_line
        if not answered:
            self._end_unanswered(record, event)
            return
        record.staged_id = event.staged_id
        record.callee_tag = sent.to_tag if sent is not None else b""
        times = record.times
        if event.own_ringing is not None:
            times["own_ringing"] = round(event.own_ringing, 4)
        if event.ringing is not None:
            times["ringing"] = round(event.ringing, 4)
        times["answered"] = round(event.elapsed, 4)
        self.records.unacknowledged[key] = record

    def _end_unanswered(self, record: CallRecord, event: CallEnded) -> None:
        received = event.received
        if received is not None:
            record.received = received.start_line
        record.staged_id = event.staged_id
        record.more = {**record.more, **self._stagings.pop_times(event.call.call_id)}
        far_side = event.cancel or received
        if far_side is not None:
            self._note_far_side(record, far_side)
        _note_times(
            record,
            own_ringing=event.own_ringing,
            ringing=event.ringing,
            cancelled=event.cancelled,
            end=event.elapsed,
        )
        self._end(record, self._lines.judge_unanswered(record, event.outcome))

    def _note_ack(self, event: CallAcknowledged) -> None:
        ack, waiting = event.ack, self.records.unacknowledged
        record = waiting.pop(ack.call_id, None)
        if record is None:  # a repeated ACK, or an odd Call-ID
            record = waiting.pop(key_of(ack), None)
        if record is not None:
            record.times["ack"] = round(self._clock() - record.started_at, 4)

    def _end_hung_up(self, event: CallHungUp) -> None:
        bye, response = event.bye, event.response
        if response is not None and response.status in _NOT_OVER:
            return
        from_tag = bye.from_tag
        record = self.records.of_dialog(bye, (from_tag, bye.to_tag, None))
        if record is None:
            self._end_unknown(event)
            return
        first = bye.shape.first
        if b"reason" in first or b"warning" in first:
            self._note_far_side(record, bye)
        if record.callee_tag is None:  # an early dialog: the INVITE still gets its final response
            record.early_bye = True
            return
        record.times["end"] = round(self._clock() - record.started_at, 4)
        by_caller = from_tag != record.callee_tag
        self.records.pop(record)
        self._lines.write(record, judge_hung_up(record.times, by_caller=by_caller))

    def _end_unknown(self, event: CallHungUp) -> None:
        key = key_of(event.bye)
        if not self.records.knows(key):
            self._lines.write_unknown(event)
            self.records.note_ended(key)

    def _record(self, call: Call, elapsed: float, staged_id: str = "") -> CallRecord | None:
        """Return the record of a call; a new one if it had none, None if that gave way."""
        key = call.call_id.encode()
        record = self.records.of_call(key, call, staged_id)
        if record is None and not self.records.has_lost(key):
            record = CallRecord(key, call, self._fields.call(call), self._clock() - elapsed)
            self.records.add(record)
        return record

    def _end(self, record: CallRecord, verdict: Verdict) -> None:
        if "end" not in record.times:
            record.times["end"] = round(self._clock() - record.started_at, 4)
        self.records.pop(record)
        self._lines.write(record, verdict)

    def _note_far_side(self, record: CallRecord, message: Message) -> None:
        record.more = {**record.more, **self._lines.far_side(message)}

    def _gave_way(self, record: CallRecord) -> None:
        record.times["end"] = round(self._clock() - record.started_at, 4)
        self._lines.write(record, judge_unseen(record, stopping=False))


def _note_times(record: CallRecord, **times: float | None) -> None:
    for step, seconds in times.items():
        if seconds is not None:
            record.times[step] = round(seconds, 4)
