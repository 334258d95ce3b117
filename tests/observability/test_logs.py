from __future__ import annotations

import json
import logging
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.model.vocabulary import CallOutcome
from sip_stager.observability.log_writer import LogWriter
from sip_stager.observability.logs import Logger, set_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def log_writer(tmp_path: Path) -> Iterator[LogWriter]:
    """Yield a log_writer to a file; restore the settings of the standard library afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []  # those of pytest stay open
    with (tmp_path / "log").open("wb") as file:
        log_writer = LogWriter(file.fileno())
        yield log_writer
        log_writer.close()
    root.handlers, root.level = handlers, level


@pytest.fixture
def raw(log_writer: LogWriter, tmp_path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        log_writer.close()
        return (tmp_path / "log").read_bytes()

    return read


@pytest.fixture
def lines(raw: Callable[[], bytes]) -> Lines:
    return lambda: [json.loads(line) for line in raw().splitlines()]


def test_a_line_is_one_json_object(log_writer: LogWriter, lines: Lines) -> None:
    set_up(log_writer).info("started", listeners=["udp:192.0.2.1:5060"])
    [line] = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "started", "level": "info", "listeners": ["udp:192.0.2.1:5060"]}


def test_lines_below_the_level_are_left_out(log_writer: LogWriter, lines: Lines) -> None:
    logger = set_up(log_writer, "warning")
    logger.info("no")
    logger.warning("yes")
    logging.getLogger("aiohttp.server").info("no")
    logging.getLogger("aiohttp.server").warning("yes")
    assert [line["event"] for line in lines()] == ["yes", "yes"]


def test_every_logger_of_the_standard_library_writes_to_the_sink(
    log_writer: LogWriter, lines: Lines
) -> None:
    logger = logging.getLogger("elsewhere")  # before set_up, as modules get theirs
    set_up(log_writer)
    logger.warning("from elsewhere", extra={"call_id": "x"})
    assert [line["call_id"] for line in lines()] == ["x"]


def test_the_standard_librarys_lines_look_the_same(log_writer: LogWriter, lines: Lines) -> None:
    set_up(log_writer)
    logging.getLogger("asyncio").warning("slow: %s", "callback")
    [line] = lines()
    assert (line["event"], line["level"]) == ("slow: callback", "warning")
    assert (line["logger"], line["timestamp"][-1]) == ("asyncio", "Z")


def test_a_traceback_is_a_field(log_writer: LogWriter, lines: Lines) -> None:
    set_up(log_writer)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logging.getLogger("elsewhere").exception("a bug")
    [line] = lines()
    assert (line["event"], line["level"]) == ("a bug", "error")
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


def test_only_visible_ascii_is_written(log_writer: LogWriter, raw: Callable[[], bytes]) -> None:
    nasty = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x202E, 0x2028, 0xDCFF, 0x1F600]))
    set_up(log_writer).info("x", detail=nasty)
    logging.getLogger().warning("%s", nasty, extra={"detail": nasty})
    text = raw()
    assert text.count(b"\n") == 2
    assert set(text) - {0x0A} <= set(range(0x20, 0x7F))
    assert [json.loads(line)["detail"] for line in text.splitlines()] == [nasty, nasty]


def test_a_value_that_json_lacks_is_written_as_its_repr(
    log_writer: LogWriter, lines: Lines
) -> None:
    set_up(log_writer).info("x", flow={1}, raw=b"\xff")
    [line] = lines()
    assert (line["flow"], line["raw"]) == ("{1}", "b'\\xff'")


@pytest.mark.parametrize(
    "value",
    [
        "".join(map(chr, range(0x300))),
        "\ud800 \udfff \udcff lone, \ud83d\ude00 not lone, \U0001f600 \u2028 \ufeff \uffff",
        '\\ " / \b \f \n \r \t \x7f',
        "",
        *(0, -1, 10**30, True, False, None),
        *(0.1, -0.0, 1e300, 5e-324, 0.30000000000000004),
        *(float("inf"), float("-inf"), float("nan")),
        CallOutcome.ANSWERED,
        [],
        {},
        ["a", 1, [None, ("\ud800",)], {"b": {"c": 2.5}}],
        {"\ud800": "\x00", CallOutcome.MOVED: "x", 1: 2, None: True, 0.5: {}},
        {"staging_phases": {"connect": 0.01, "request": 0.19}},
    ],
)
def test_a_line_is_encoded_as_the_standard_library_does(value: Any) -> None:
    file = StringIO()
    Logger(file).info("\udcff", first=value, second=1)
    stamp = json.loads(file.getvalue())["timestamp"]
    fields = {"first": value, "second": 1, "event": "\udcff", "level": "info", "timestamp": stamp}
    assert file.getvalue() == json.dumps(fields) + "\n"


def test_a_value_that_contains_itself_does_not_stop_the_program(
    log_writer: LogWriter, lines: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    circle: list[Any] = []
    circle.append(circle)
    set_up(log_writer)
    logging.getLogger("elsewhere").warning("x", extra={"circle": circle})
    assert lines() == []
    assert "Circular reference" in capsys.readouterr().err
