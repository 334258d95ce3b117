from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING

from sip_stager.observability.log_sink import LogSink

if TYPE_CHECKING:
    from pathlib import Path


def until(condition: object) -> None:
    """Wait until a condition holds; the time limit of the test run ends a wait in vain."""
    assert callable(condition)
    while not condition():
        time.sleep(0.01)


def test_lines_are_written_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        sink = LogSink(file.fileno())
        lines = [f"line {number}\n" for number in range(5000)]
        for line in lines:
            sink.write(line)
            sink.flush()
        sink.close()
    assert path.read_text() == "".join(lines)
    assert (sink.dropped, sink.errors) == (0, 0)


def test_lines_are_written_before_the_sink_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        sink = LogSink(file.fileno())
        for line in ("one\n", "two\n"):
            before = path.read_text()
            sink.write(line)
            until(lambda before=before, line=line: path.read_text() == before + line)
        sink.close()


def test_text_that_is_not_valid_unicode_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        sink = LogSink(file.fileno())
        sink.write("\udcff\n")
        sink.close()
    assert path.read_bytes() == b"\\udcff\n"


async def test_a_full_pipe_does_not_stop_the_loop() -> None:
    reader, writer = os.pipe()
    sink = LogSink(writer, max_bytes=100_000)
    line = "x" * 999 + "\n"
    for _ in range(1000):
        sink.write(line)
        await asyncio.sleep(0)  # the loop runs, else this test would not end
    taken = 1_000_000 - sink.dropped * 1000
    assert 100_000 <= taken <= 100_000 + 65_536 + 1000  # the buffer and the pipe
    read = 0
    while read < taken:
        read += len(await asyncio.to_thread(os.read, reader, 65_536))
    assert read == taken
    until(lambda: not sink._buffered)
    sink.write(line)  # there is room again
    assert await asyncio.to_thread(os.read, reader, 65_536) == line.encode()
    sink.close()
    os.close(reader)
    os.close(writer)


async def test_a_full_nonblocking_pipe_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sink = LogSink(writer)
    for _ in range(300):
        sink.write("x" * 999 + "\n")
    read = 0
    while read < 300_000:
        read += len(await asyncio.to_thread(os.read, reader, 65_536))
    sink.close()
    assert (read, sink.dropped, sink.errors) == (300_000, 0, 0)
    os.close(reader)
    os.close(writer)


def test_a_full_disk_is_counted_and_costs_only_lines() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    sink = LogSink(descriptor, max_bytes=10)
    sink.write("12345678\n")
    until(lambda: sink.errors)
    sink.write("12345678\n")
    assert sink.dropped == 1
    sink.close()
    assert not sink._thread.is_alive()
    os.close(descriptor)


def test_a_failed_write_is_retried(tmp_path: Path) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    sink = LogSink(descriptor)
    sink.write("retried\n")
    until(lambda: sink.errors)
    with (tmp_path / "log").open("wb") as file:
        os.dup2(file.fileno(), descriptor)  # the disk has room again
    until(lambda: (tmp_path / "log").read_text() == "retried\n")
    sink.close()
    os.close(descriptor)


def test_a_closed_reader_is_counted() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    sink = LogSink(writer)
    sink.write("x\n")
    until(lambda: sink.errors)
    sink.close()
    os.close(writer)


def test_closing_does_not_wait_for_a_reader_beyond_its_timeout() -> None:
    reader, writer = os.pipe()
    sink = LogSink(writer)
    sink.write("x" * 200_000)
    sink.close(timeout=0.2)
    assert sink._thread.is_alive()
    sink.write("late\n")
    assert sink.dropped == 1
    os.close(reader)  # ends the write
    sink._thread.join()
    os.close(writer)
