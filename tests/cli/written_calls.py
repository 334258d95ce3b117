"""Settings and calls for the comparison of ``route`` with the core."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.cli.asking import OTHER
from tests.config.settings_folder import AGENT, RIGHT

TRUNK = 'networks = ["192.0.2.0/24"]\n'
ROWS = f"""
[[numbers]]
number = "+3361*"
agent = "{OTHER}"
[[numbers]]
number = "+999*"
agent = "{OTHER}"
[[numbers]]
number = "support-*"
agent = "{OTHER}"
[[numbers]]
number = "*"
[[numbers.agents]]
agent = "{AGENT}"
weight = 3
[[numbers.agents]]
agent = "{OTHER}"
"""
VARIABLES = """
[variables]
a = "${header:X-A|none}"
name = "${display_name|-}"
diverted = "${diversion|-}"
from = "${header:From|-}"
of = "${caller|-} to ${called} by ${trunk} at ${source}"
user = "${request_uri.user}"
foo = "${request_uri;foo|-}"
whole = "${request_uri}"
"""
KINDS = {
    "plain": RIGHT + ROWS + VARIABLES,
    "french": RIGHT.replace(
        TRUNK,
        f'{TRUNK}country = "FR"\nstrip = ["99", "00331"]\nringback_timeout = 3.0\n'
        'called = ["header:X-Orig", "diversion", "request_uri"]\n',
    ).replace("[upstream]", '[upstream]\nrequest_uri = "e164"')
    + ROWS
    + VARIABLES
    + f'[policy]\nringing_delay = 0.5\ntimeout = ["agent {OTHER}", "refuse 480"]\n',
    "known": RIGHT.replace(
        TRUNK, f'{TRUNK}pass_private_number = true\ncaller = ["from"]\n'
    ).replace(
        'uri = "sip:sip.example.com"',
        'uri = "sip:198.51.100.9:5070"\nbackups = ["sip:backup.example"]\nrequest_uri = "keep"',
    )
    + '[policy]\nringing = "183"\nafter_ringing = "refuse 486"\n',
}
NAMES = {"sip.example.com": "198.51.100.1", "backup.example": "198.51.100.2"}
CALLS = [
    ("+33612345678", "+33912345678"),
    ("0612345678", "0912345678"),
    ("990612345678", "912345678"),
    ("+33 6 12 34 56 78", ""),
    ("sip:0612345678;phone-context=+33@h;user=phone", "tel:+33912345678;isub=12"),
    ("tel:0612345678;phone-context=+33", "tel:0912345678;phone-context=+33"),
    ("sip:+33612345678@h;foo=bar;maddr=127.0.0.1?Subject=x", "+33912345678"),
    ("sips:+33612345678@h", "+33912345678"),
    ("urn:service:sos", "+33912345678"),
    ("sip:+33612345678@127.0.0.1:5060", '"Bob \\"x\\" y" <sip:+33912345678@h>'),
    ("support-1", "Bob <tel:+33912345678>"),
    ("1000", "sip:anonymous@anonymous.invalid"),
    ("99999999999999", "+1"),
    ("99912345678", "+1"),
    ("0099912345678", "+1"),
    ("sip:h", "alice"),
    ("sip:@h", "alice"),
    ("", ""),
    ("a" * 130, "alice"),
]
HEADERS = [
    *("Max-Forwards: 0", "Max-Forwards: 1", "Max-Forwards: x", "Max-Breadth: 0", "Max-Breadth: 1"),
    *("Proxy-Require: foo", "Require: 100rel", "Require: Foo, 100REL", "Supported: 100rel"),
    *("Expires: 0", "Expires: 1", "Expires: 2", "Expires: soon"),
    *("Privacy: id", "Privacy: none", "P-Asserted-Identity: <sip:+33911223344@h>"),
    'Remote-Party-ID: "B" <sip:0911223344@h>;privacy=full',
    *("Diversion: <tel:+33611111111>;reason=unconditional", "Identity: x", "Contact: <sip:a@h>"),
    *("Contact: <sip:+33912345678@h>", "From: <sip:anonymous@anonymous.invalid>;tag=1"),
    *("From: Bob <sip:0912345678@h>;tag=2", "From: <", "To: <sip:x@h>;tag=3", "To: x, y"),
    *("X-Orig: 0612345678", "X-Orig: <sip:nobody@h>", "X-A: ${caller} {} é x"),
    *("Route: <sip:127.0.0.1:5060;lr>", "Route: <sip:1.2.3.4;lr>", "Route: x"),
    *("X-Rounded-Call-Id: mine", "Call-ID: other", "Call-ID:", "CSeq: 1 BYE", "CSeq: 1 FOO"),
    *("Content-Length: 7", "Content-Length: x", "Via: SIP/2.0/UDP h;branch=z9hG4bKx", "Via: x"),
    f"X-Long: {'x' * 1400}",
]

DECIDING = [
    *("Max-Forwards", "Max-Breadth", "Proxy-Require", "Require", "Expires", "Privacy", "From"),
    *("P-Asserted-Identity", "Remote-Party-ID", "Diversion", "X-Orig", "To", "X-A", "v", "CSeq"),
]
WRITTEN = st.builds(
    "{}: {}".format,
    st.sampled_from(DECIDING),
    st.text('019+;,:@<>"=%$* axidtel\\é', max_size=20)
    | st.from_regex(
        r'("B" )?<(sip|tel):[+]?[0-9]{1,13}(@h)?>(;[a-z]{1,3}(=[a-z]{1,3})?)?', fullmatch=True
    ),
)
"""Headers with values that nobody would write, and with some that they would."""
