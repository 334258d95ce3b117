from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from sip_stager.observability import log_writer as module
from sip_stager.observability.log_writer import LogWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the writer's thread sleep and wake as often as it can, and switch threads often."""
    monkeypatch.setattr(module, "GATHERING_INTERVAL", 0.0)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def until(condition: object) -> None:
    """Wait until a condition holds; the time limit of the test run ends a wait in vain."""
    assert callable(condition)
    while not condition():
        time.sleep(0.01)


def test_lines_are_written_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        log_writer = LogWriter(file.fileno())
        lines = [f"line {number}\n" for number in range(5000)]
        for line in lines:
            log_writer.write(line)
            log_writer.flush()
        log_writer.close()
    assert path.read_text() == "".join(lines)
    assert (log_writer.dropped, log_writer.errors) == (0, 0)


def test_lines_are_written_before_the_sink_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        log_writer = LogWriter(file.fileno())
        for line in ("one\n", "two\n"):
            before = path.read_text()
            log_writer.write(line)
            until(lambda before=before, line=line: path.read_text() == before + line)
        log_writer.close()


def test_text_that_is_not_valid_unicode_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        log_writer = LogWriter(file.fileno())
        log_writer.write("\udcff\n")
        log_writer.close()
    assert path.read_bytes() == b"\\udcff\n"


async def test_a_full_pipe_does_not_stop_the_loop() -> None:
    reader, writer = os.pipe()
    log_writer = LogWriter(writer, max_bytes=100_000)
    line = "x" * 999 + "\n"
    for _ in range(1000):
        log_writer.write(line)
        await asyncio.sleep(0)  # the loop runs, else this test would not end
    taken = 1_000_000 - log_writer.dropped * 1000
    assert 100_000 <= taken <= 100_000 + 65_536 + 1000  # the buffer and the pipe
    read = 0
    while read < taken:
        read += len(await asyncio.to_thread(os.read, reader, 65_536))
    assert read == taken
    until(lambda: not log_writer._buffer)
    log_writer.write(line)  # there is room again
    assert await asyncio.to_thread(os.read, reader, 65_536) == line.encode()
    log_writer.close()
    os.close(reader)
    os.close(writer)


async def test_a_full_nonblocking_pipe_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    log_writer = LogWriter(writer)
    for _ in range(300):
        log_writer.write("x" * 999 + "\n")
    read = 0
    while read < 300_000:
        read += len(await asyncio.to_thread(os.read, reader, 65_536))
    log_writer.close()
    assert (read, log_writer.dropped, log_writer.errors) == (300_000, 0, 0)
    os.close(reader)
    os.close(writer)


def test_a_full_disk_is_counted_and_costs_only_lines() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log_writer = LogWriter(descriptor, max_bytes=10)
    log_writer.write("12345678\n")
    until(lambda: log_writer.errors)
    log_writer.write("12345678\n")
    assert log_writer.dropped == 1
    log_writer.close()
    assert not log_writer._thread.is_alive()
    os.close(descriptor)


def test_a_failed_write_is_retried(tmp_path: Path) -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    log_writer = LogWriter(descriptor)
    log_writer.write("retried\n")
    until(lambda: log_writer.errors)
    with (tmp_path / "log").open("wb") as file:
        os.dup2(file.fileno(), descriptor)  # the disk has room again
    until(lambda: (tmp_path / "log").read_text() == "retried\n")
    log_writer.close()
    os.close(descriptor)


def test_a_closed_reader_is_counted() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    log_writer = LogWriter(writer)
    log_writer.write("x\n")
    until(lambda: log_writer.errors)
    log_writer.close()
    os.close(writer)


def test_closing_does_not_wait_for_a_reader_beyond_its_timeout() -> None:
    reader, writer = os.pipe()
    log_writer = LogWriter(writer)
    log_writer.write("x" * 200_000)
    log_writer.close(timeout=0.2)
    assert log_writer._thread.is_alive()
    log_writer.write("late\n")
    assert log_writer.dropped == 1
    os.close(reader)  # ends the write
    log_writer._thread.join()
    os.close(writer)


@pytest.mark.usefixtures("hurried")
def test_a_line_wakes_the_thread_at_whatever_moment_it_comes() -> None:
    reader, writer = os.pipe()
    log_writer = LogWriter(writer)
    for number in range(5000):
        log_writer.write("x\n")
        for _ in range(number % 5000):
            pass  # the thread is on its way to sleep
        log_writer.write("y\n")
        read = b""
        while read != b"x\ny\n":  # a line left behind would never come
            read += os.read(reader, 4)
    log_writer.close()
    assert not log_writer._thread.is_alive()
    os.close(reader)
    os.close(writer)


class Racing(bytearray):
    """A buffer that a line is appended to right after the thread found it empty."""

    log_writer: LogWriter
    line = "late\n"

    def __len__(self) -> int:
        length = super().__len__()
        line, self.line = self.line, ""
        if line:
            self.log_writer.write(line)
        return length


def test_a_line_that_comes_after_the_thread_looked_wakes_it() -> None:
    log_writer = LogWriter(os.open(os.devnull, os.O_WRONLY))
    log_writer.close()
    log_writer._max_bytes = 1000
    log_writer._closing.clear()
    log_writer._buffer = racing = Racing()
    racing.log_writer = log_writer
    log_writer._wait_for_lines()  # else it would wait for ever
    assert bytes(racing) == b"late\n"


@pytest.mark.usefixtures("hurried")
def test_no_line_of_several_threads_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as file:
        log_writer = LogWriter(file.fileno())
        threads = [
            threading.Thread(target=lambda name=name: write_lines(log_writer, name))
            for name in "abc"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        log_writer.close()
    lines = path.read_text().splitlines()
    assert len(lines) == 3 * LINES - log_writer.dropped == 3 * LINES
    for name in "abc":
        numbers = [int(line[1:]) for line in lines if line[0] == name]
        assert numbers == list(range(LINES))


@pytest.mark.usefixtures("hurried")
def test_no_dropped_line_of_several_threads_is_uncounted() -> None:
    log_writer = LogWriter(os.open(os.devnull, os.O_WRONLY))
    log_writer.close()
    threads = [threading.Thread(target=write_lines, args=(log_writer, "x")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log_writer.dropped == 3 * LINES


LINES = 3000


def write_lines(log_writer: LogWriter, name: str) -> None:
    for number in range(LINES):
        log_writer.write(f"{name}{number}\n")


def test_a_line_written_while_another_is_written_is_kept(tmp_path: Path) -> None:
    """A destructor or a signal may write a line at any moment, in the middle of a write."""

    class Interrupting(str):
        __slots__ = ()

        def encode(self, *args: Any) -> bytes:
            log_writer.write("inner\n")
            return super().encode(*args)

    path = tmp_path / "log"
    with path.open("wb") as file:
        log_writer = LogWriter(file.fileno())
        log_writer.write(Interrupting("outer\n"))
        log_writer.close()
    assert path.read_text() == "inner\nouter\n"


def test_lines_that_came_while_others_were_written_are_written_before_the_end() -> None:
    reader, writer = os.pipe()
    log_writer = LogWriter(writer)
    log_writer.write("x" * 100_000)
    until(lambda: len(os.read(reader, 1)) == 1)  # the thread is in the middle of it
    log_writer.write("last\n")
    closing = threading.Thread(target=log_writer.close)
    closing.start()
    read = b""
    while not read.endswith(b"last\n"):
        read += os.read(reader, 65_536)
    closing.join()
    assert not log_writer._thread.is_alive()
    os.close(reader)
    os.close(writer)
