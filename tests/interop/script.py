"""Scenarios for SIPp, written as scripts.

A script has one step of one side per line, or several steps separated by `; `::

    INVITE | Supported: 100rel     send a request, with these header fields added to the default
                                   ones, or replacing the default one of the same name
    < 183                          receive a response ...
    < 100?                         ... or not
    < BYE                          receive a request
    < CANCEL?                      receive a retransmitted request, and answer it again
    200                            answer the last request
    200 INVITE                     answer the INVITE although another request came since
    ~500                           pause for 500 milliseconds; `~` alone takes SIPp's -d
    one: < 200                     receive a 2xx, and name the dialog that it creates ...
    one: BYE                       ... for a request in it
    stay 4000                      answer late retransmissions for 4000 milliseconds

Tags, CSeq, branches and routes follow from the steps before (RFC 3261 9.1, 12.2, 17.1.1.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

HERE = "[local_ip]:[local_port]"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<scenario name="a script">'
_STEP = re.compile(r"(?:(\w+): )?(<|~|stay)? ?(\w*)( INVITE)?(\?)?((?: \| .*)?)$")
_ALICE = '"Alice" <sip:+33912345678@[local_ip]>;tag=alice-[pid]-[call_number]'
_BOB = "<[$callee]>;tag=bob-[pid]-[call_number]"
_REQUEST = """{method} {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch};rport
{routes}Max-Forwards: 70
From: {sender}
To: {receiver}
Call-ID: [call_id]
CSeq: {cseq} {method}
{fields}"""
_ANSWER_LAST = "[last_Via:]\n[last_Record-Route:]\n[last_From:]\n[last_To:]{tag}\n[last_CSeq:]\n"
_ANSWER_INVITE = "[$hops]\nFrom: [$caller]\nTo: " + _BOB + "\nCSeq: [$cseq]\n"
_SDP = """Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 20518 0 IN IP4 192.0.2.10
s=-
c=IN IP4 192.0.2.10
t=0 0
m=audio 4000 RTP/AVP 8 101
a=rtpmap:101 telephone-event/8000
"""
_LINE_END = re.compile(r"\n|; ")
_DIALLED = "sip:[service]@[remote_ip]:[remote_port]"
_WITHOUT_CONTACT = {"ACK", "BYE", "CANCEL", "PRACK"}
_IN_DIALOG = {"ACK", "BYE", "PRACK", "UPDATE", "REFER", "NOTIFY", "INFO"}  # have both tags
_NO_BODY = "Content-Length: 0\n"
_REASONS = {
    "180": "Ringing", "183": "Session Progress", "200": "OK", "202": "Accepted",
    "401": "Unauthorized", "407": "Proxy Authentication Required", "486": "Busy Here",
    "487": "Request Terminated", "503": "Service Unavailable", "603": "Decline",
}  # fmt: skip
_OF_INVITE = {  # what a callee stores of the INVITE, for its own requests and later responses
    "hops": 'search_in="msg" regexp="(Record-Route|Via): .*(Record-Route|Via): [ -~]*"',
    "caller": 'search_in="hdr" header="From:" regexp="[^ ].*"',
    "callee": 'search_in="hdr" header="To:" regexp="sip:[^&gt;]*"',
    "cseq": 'search_in="hdr" header="CSeq:" regexp="[0-9]+ INVITE"',
}
_OF_2XX = {
    "peer": 'search_in="hdr" header="To:" regexp="[^ ].*"',
    "target": 'search_in="hdr" header="Contact:" regexp="sip:[^&gt;]*"',
}


def scenario(script: str, contact: str = HERE, t1: int = 500) -> str:
    """Return SIPp's XML.

    ``contact`` is the host and port for requests of the other side; ``t1`` is in milliseconds.
    """
    return _Side(contact, t1).xml([step.strip() for step in _LINE_END.split(script.strip())])


@dataclass
class _Side:
    """What one side has sent and received so far."""

    contact: str
    t1: int
    is_caller: bool = True
    last_request: str = ""  # the last received request
    final: str = ""  # the class of the INVITE's final response, sent or received
    cseq: int = 0
    invite: tuple[int, int] = 0, 0  # the step that sent the last INVITE, and its CSeq
    labels: dict[str, int] = field(default_factory=dict)  # of the responses to received requests
    steps: list[str] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)

    def xml(self, lines: list[str]) -> str:
        self.is_caller = not lines[0].startswith("<")
        for line in lines:
            if (step := _STEP.match(line)) is None:
                raise ValueError(f"not a step of a script: {line!r}")
            self.steps.append(self._step(*step.groups(default="")))
        if self.variables:
            self.steps.append(f'<Reference variables="{",".join(sorted(self.variables))}"/>')
        return "\n".join([_HEAD, *self.steps, "</scenario>\n"])

    def _step(
        self, dialog: str, kind: str, what: str, of_invite: str, optional: str, fields: str
    ) -> str:
        if kind == "~":
            return f'<pause milliseconds="{what}"/>' if what else "<pause/>"
        if kind == "stay":
            return f'<timewait milliseconds="{what}"/>'
        if kind == "<":
            receive = self._receive_response if what.isdigit() else self._receive_request
            return receive(what, ' optional="true"' if optional else "", dialog)
        extra = "".join(f"{each}\n" for each in fields.split(" | ")[1:])
        if what.isdigit():
            return self._send_response(
                what, extra, of_invite=bool(of_invite) or self.last_request == "INVITE"
            )
        return self._send_request(what, extra, dialog)

    def _receive_request(self, method: str, optional: str, _: str) -> str:
        self.last_request = method
        if optional and method in self.labels:
            return f'<recv request="{method}"{optional} next="{self.labels[method]}"/>'
        self.labels[method] = len(self.steps)
        label = f'<label id="{self.labels[method]}"/>'
        if method != "INVITE" or self.is_caller:
            return f'<recv request="{method}"{optional}/>{label}'
        return f'<recv request="INVITE" rrs="true">{self._store(_OF_INVITE)}</recv>{label}'

    def _receive_response(self, status: str, optional: str, dialog: str) -> str:
        if status >= "300":
            self.final = status[0]
        more = ' rrs="true"' if "100" < status < "300" else ""
        more += ' auth="true"' if status in {"401", "407"} else ""
        keeps = {f"{dialog}_{name}": how for name, how in _OF_2XX.items() if dialog}
        return f'<recv response="{status}"{optional}{more}>{self._store(keeps)}</recv>'

    def _store(self, what: dict[str, str]) -> str:
        """Store parts of a message in SIPp variables."""
        self.variables |= what.keys()
        found = [f'<ereg {how} check_it="true" assign_to="{name}"/>' for name, how in what.items()]
        return f"<action>{''.join(found)}</action>" if found else ""

    def _send_request(self, method: str, fields: str, dialog: str) -> str:
        hop_by_hop = method == "CANCEL" or (method == "ACK" and self.final > "2")
        first = method == "INVITE" and self.is_caller and self.final != "2"
        if method not in {"ACK", "CANCEL"}:
            self.cseq += 1
        if method == "INVITE":
            self.invite = len(self.steps), self.cseq
        if first or (method == "ACK" and not hop_by_hop):
            self.final = "" if first else "2"
        head = _REQUEST.format(
            method=method,
            uri=_DIALLED
            if first or hop_by_hop
            else f"[${dialog}_target]"
            if dialog
            else "[next_url]",
            routes="" if first or hop_by_hop else "[routes]\n",
            branch=f"[branch-{len(self.steps) - self.invite[0]}]" if hop_by_hop else "[branch]",
            sender=_ALICE if self.is_caller else _BOB,
            receiver=self._receiver(dialog, tag=not first and method != "CANCEL"),
            cseq=self.invite[1] if method in {"ACK", "CANCEL"} else self.cseq,
            fields="" if method in _WITHOUT_CONTACT else self._contact(),
        )
        head = _without_replaced(head, fields) + fields
        return self._send(head + (_SDP if method == "INVITE" else _NO_BODY), again=method != "ACK")

    def _receiver(self, dialog: str, *, tag: bool) -> str:
        if not self.is_caller:
            return "[$caller]"
        if dialog:
            return f"[${dialog}_peer]"
        return "<sip:[service]@[remote_ip]>" + ("[peer_tag_param]" if tag else "")

    def _send_response(self, status: str, fields: str, *, of_invite: bool) -> str:
        """Answer the last request with SIPp's keywords, or an earlier INVITE with our variables."""
        tag = "" if self.is_caller or self.final == "2" else _BOB.partition(">")[2]
        head = _ANSWER_LAST.format(tag="" if self.last_request in _IN_DIALOG else tag)
        if of_invite and self.last_request != "INVITE":
            head = _ANSWER_INVITE
        if status < "300":
            fields += self._contact()
        again = "RSeq" in fields or (of_invite and status >= "200")
        body = _SDP if of_invite and status in {"183", "200"} else _NO_BODY
        if of_invite and status >= "200":
            self.final = status[0]
        first = f"SIP/2.0 {status} {_REASONS[status]}\n"
        return self._send(first + head + "Call-ID: [call_id]\n" + fields + body, again=again)

    def _contact(self) -> str:
        name = "alice" if self.is_caller else "bob"
        return f"Contact: <sip:{name}@{self.contact};transport=[transport]>\n"

    def _send(self, message: str, *, again: bool) -> str:
        attribute = f' retrans="{self.t1}"' if again else ""
        return f"<send{attribute}><![CDATA[\n{message}\n]]></send>"


def _without_replaced(head: str, fields: str) -> str:
    """Return a request without the default header fields that ``fields`` replace."""
    given = {line.partition(":")[0] for line in fields.splitlines()}
    lines = head.splitlines(keepends=True)
    return "".join(line for line in lines if line.partition(":")[0] not in given)
