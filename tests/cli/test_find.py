"""``sip-stager find`` shows the calls of a number, from a log without numbers."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner, Result

from sip_stager.cli import app, log_search
from sip_stager.observability.number_hash import number_hash
from sip_stager.trunks.phone_numbers import mask

if TYPE_CHECKING:
    from pathlib import Path

KEY = "the-api-key"
HASH = number_hash(KEY)
ALICE, CARL, CALLED = "+33612345678", "+33612999978", "+33366725520"
assert mask(ALICE) == mask(CARL)


def line(event: str, call_id: str, at: str, **fields: Any) -> str:
    timestamp = f"2026-12-01T{at}.000000Z"
    own = {"call_id": call_id} if call_id else {}
    return json.dumps({**own, **fields, "event": event, "timestamp": timestamp})


def numbers(caller: str, called: str = CALLED) -> dict[str, str]:
    return {
        "from_number": mask(caller),
        "from_hash": HASH(caller),
        "to_number": mask(called),
        "to_hash": HASH(called),
    }


def call(call_id: str, caller: str, at: str, seconds: float = 0.0, **more: Any) -> list[str]:
    """Return the lines of a call that its caller ended then, ``seconds`` after the INVITE."""
    sentence = f"The caller hung up {seconds} s after the answer."
    fields = {"sentence": sentence, "side": "caller", "cause": "hung_up", **more}
    return [
        line("call_forwarded", call_id, at, elapsed_seconds=0.2, **numbers(caller)),
        line("header_lost", call_id, at),
        line("call_ended", call_id, at, elapsed_seconds=seconds, **numbers(caller), **fields),
    ]


LOG = [
    "not a line of ours",
    line("ready", "", "08:00:00"),
    *call("one@carrier", ALICE, "09:00:00", 60.0),
    *call("two@carrier", CARL, "10:40:00", 5.0),
    *call("three@carrier", ALICE, "10:43:00", 62.0),
]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ROUNDED_API_KEY", KEY)
    monkeypatch.setenv("TZ", "UTC")
    file = tmp_path / "sip-stager.log"
    file.write_text("\n".join(LOG) + "\n")
    return file


def find(log: object, *options: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["find", "--log", str(log), *options], input=stdin)


def found(result: Result) -> list[str]:
    """Return the Call-IDs of the lines that were printed, in order."""
    return [json.loads(one)["call_id"] for one in result.stdout.splitlines() if one[:3] == "  {"]


def test_the_calls_of_a_caller_are_shown_by_a_sentence_and_their_lines(log: Path) -> None:
    result = find(log, "--from", ALICE)
    assert result.exit_code == 0, result.output
    assert found(result) == ["one@carrier"] * 3 + ["three@carrier"] * 3
    first, *lines = result.stdout.splitlines()
    assert first.endswith(
        "+336******78 -> +333******20  The caller hung up 60.0 s after the answer. "
        "[side: caller, cause: hung_up]"
    )
    events = [json.loads(one)["event"] for one in lines[:3]]
    assert events == ["call_forwarded", "header_lost", "call_ended"]


@pytest.mark.parametrize("spelled", [ALICE, "+33 6 12 34 56 78", "0033612345678"])
def test_a_number_may_be_written_as_people_do(log: Path, spelled: str) -> None:
    assert len(found(find(log, "--from", spelled))) == 6


@pytest.mark.parametrize(
    ("at", "ids"),
    [
        ("10:42", {"three@carrier"}),
        ("10:42Z", {"three@carrier"}),
        ("11:42+01:00", {"three@carrier"}),
        ("2026-12-01T10:42", {"three@carrier"}),
        ("2026-12-01 10:42:30Z", {"three@carrier"}),
        ("08:57", {"one@carrier"}),
        ("2026-11-30T10:42", set()),
        ("12:00", set()),
    ],
)
def test_the_time_of_a_call_narrows_the_search(log: Path, at: str, ids: set[str]) -> None:
    result = find(log, "--from", ALICE, "--at", at, "--within", "3")
    assert set(found(result)) == ids
    assert result.exit_code == (0 if ids else 1)


def test_a_long_call_is_found_at_any_moment_of_it(log: Path) -> None:
    log.write_text("\n".join(call("long@carrier", ALICE, "00:30:00", 7200.0)))
    assert find(log, "--from", ALICE, "--at", "23:30", "--within", "1").exit_code == 0
    assert find(log, "--from", ALICE, "--at", "22:00", "--within", "1").exit_code == 1


def test_both_numbers_may_be_given(log: Path) -> None:
    assert len(found(find(log, "--to", CALLED))) == 9
    assert len(found(find(log, "--to", CALLED, "--from", CARL))) == 3
    assert find(log, "--to", "+33366725599", "--from", CARL).exit_code == 1


def test_rotated_files_are_read_from_the_oldest_on(log: Path) -> None:
    (log.parent / "sip-stager.log.1").write_text("\n".join(call("b", ALICE, "07:00:00")))
    packed = "\n".join(call("a", ALICE, "06:00:00")).encode()
    (log.parent / "sip-stager.log.2.gz").write_bytes(gzip.compress(packed))
    (log.parent / "sip-stager.log.lock").write_text("not a log")
    (log.parent / "other.log.1").write_text("\n".join(call("other", ALICE, "07:00:00")))
    assert list(dict.fromkeys(found(find(log, "--from", ALICE)))) == [
        *("a", "b", "one@carrier", "three@carrier")
    ]


def test_files_rotated_by_date_are_read_from_the_oldest_on(log: Path) -> None:
    for name, day in (("20261130", "30"), ("20261129", "29")):
        (log.parent / f"sip-stager.log-{name}").write_text("\n".join(call(day, CARL, "07:00:00")))
    lines = find(log, "--from", CARL).stdout
    assert "29" in lines
    assert "30" in lines


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_file_is_known_by_its_first_bytes(log: Path, pack: Any) -> None:
    log.write_bytes(pack(log.read_bytes()))
    assert len(found(find(log, "--from", ALICE))) == 6


def test_a_file_that_is_being_compressed_is_read_as_far_as_it_goes(log: Path) -> None:
    lines = [json.dumps({"event": "x", "n": n, "h": HASH(str(n))}) for n in range(5000)]
    whole = gzip.compress("\n".join(LOG + lines).encode())
    log.write_bytes(whole[: len(whole) // 2])
    result = find(log, "--from", ALICE)
    assert len(found(result)) == 6
    assert "could not be read to its end" in result.stderr


def test_the_log_may_come_from_standard_input(log: Path) -> None:
    assert len(found(find("-", "--from", ALICE, stdin=log.read_bytes()))) == 6


@pytest.mark.parametrize("wrapper", ["docker", "journald", "kubernetes"])
def test_a_line_is_found_in_the_form_of_a_container_or_journald(log: Path, wrapper: str) -> None:
    wrap = {
        "docker": lambda text: json.dumps({"log": text + "\n", "stream": "stdout"}),
        "journald": lambda text: json.dumps({"MESSAGE": text, "_PID": "1"}),
        "kubernetes": lambda text: f"2026-12-01T10:00:00Z stdout F {text}",
    }[wrapper]
    log.write_text("\n".join(map(wrap, LOG)))
    assert len(found(find(log, "--from", ALICE))) == 6


def test_without_the_key_masked_numbers_are_compared(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUNDED_API_KEY")
    result = find(log, "--from", ALICE)
    assert len(found(result)) == 9, "CARL's number looks alike"
    assert "masked numbers are compared" in result.stderr


def test_a_plain_log_is_searched_without_the_key(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUNDED_API_KEY")
    log.write_text(log.read_text().replace(mask(ALICE), ALICE))
    assert find(log, "--from", ALICE).exit_code == 0


def test_the_key_may_come_from_the_settings(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUNDED_API_KEY")
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    settings = tmp_path / "s.toml"
    settings.write_text(
        """
        api = { key_file = "key" }
        listeners = [{ address = "127.0.0.1" }]
        upstream = { uri = "sip:127.0.0.1:9" }
        trunks = [{ name = "carrier", networks = ["127.0.0.1"] }]
        numbers = [{ number = "+33366725520", agent = "411b82c8-462a-4e1b-89bc-10ab3ce1ed29" }]
        """
    )
    result = find(log, "--from", ALICE, "--config", str(settings))
    assert len(found(result)) == 6, result.output


def test_another_key_finds_nothing_and_the_reason_is_named(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROUNDED_API_KEY", "another")
    result = find(log, "--from", ALICE)
    assert result.exit_code == 1
    assert "was the log written with another API key?" in result.stderr


def test_nothing_is_found_of_a_number_that_never_called(log: Path) -> None:
    result = find(log, "--from", "0699")
    assert result.exit_code == 1
    assert "no call was found in" in result.stderr
    assert "0699 is not in E.164" in result.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "write --from NUMBER, --to NUMBER, or both"),
        (["--from", ALICE, "--at", "noon"], "is not a time: write one like 10:42"),
    ],
)
def test_a_wrong_command_line_says_what_would_be_right(
    log: Path, options: list[str], words: str
) -> None:
    result = find(log, *options)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_log_that_cannot_be_read_is_one_sentence(log: Path) -> None:
    missing = find(log.parent / "missing.log", "--from", ALICE)
    assert missing.exit_code == 2
    assert missing.stderr.count("\n") == 1
    assert "missing.log: No such file or directory" in missing.stderr
    assert "Is a directory" in find(log.parent, "--from", ALICE).stderr
    log.write_bytes(b"\x28\xb5\x2f\xfd....")
    assert "zstdcat" in find(log, "--from", ALICE).stderr


def test_only_the_last_calls_are_shown(log: Path) -> None:
    log.write_text("\n".join(text for n in range(30) for text in call(f"{n}", ALICE, "10:00:00")))
    result = find(log, "--from", ALICE, "--last", "3")
    assert sorted(set(found(result))) == ["27", "28", "29"]
    assert "27 earlier calls left out" in result.stderr


def test_the_memory_is_bounded_by_the_calls_that_are_shown(log: Path) -> None:
    search = log_search.CallSearch(
        [log_search.wanted("from", ALICE, HASH)], lambda *_: True, limit=2
    )
    search.find(text.encode() for n in range(1000) for text in call(f"{n}", ALICE, "10:00:00"))
    assert len(search._calls) <= 200
    assert [one.call_id for one in search.collect(())] == ["998", "999"]
    assert search.left_out == 998


def test_a_call_that_is_up_says_so(log: Path) -> None:
    log.write_text(call("up", ALICE, "10:00:00")[0])
    assert "it is up" in find(log, "--from", ALICE).stdout


def test_words_of_a_stranger_move_no_cursor(log: Path) -> None:
    log.write_text("\n".join(call("x", ALICE, "10:00:00", sentence="rejected: \x1b[2J")))
    result = find(log, "--from", ALICE)
    assert "\x1b" not in result.stdout
    assert "\\x1b[2J" in result.stdout


def test_a_log_of_any_size_is_a_stream(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter(log.read_bytes().splitlines(keepends=True))
    search = log_search.CallSearch([log_search.wanted("from", ALICE, HASH)], lambda *_: True, 20)
    search.find(lines)
    assert next(lines, None) is None
    monkeypatch.setattr(log_search, "MAX_LINES", 1)
    assert [len(one.lines) for one in search.collect(map(str.encode, LOG))] == [1, 1]


def test_the_help_teaches() -> None:
    text = CliRunner().invoke(app, ["find", "--help"], env={"COLUMNS": "200"}).stdout
    for words in ("--at 10:42", "journalctl", "Exit codes", "ROUNDED_API_KEY"):
        assert words in text


def test_a_call_in_a_line_of_several_is_found(log: Path) -> None:
    calls = [{"call_id": f"c{n}", **numbers(who)} for n, who in enumerate((CARL, ALICE))]
    fields = {"sentence": "The call was refused.", "side": "api", "cause": "timeout"}
    log.write_text(line("calls_ended", "", "10:00:00", calls=calls, count=2, **fields))
    result = find(log, "--from", ALICE, "--at", "10:00")
    assert found(result) == ["c1"]
    assert "The call was refused. [side: api, cause: timeout]" in result.stdout
