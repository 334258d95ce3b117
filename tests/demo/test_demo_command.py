"""``sip-stager demo`` as a user runs it: its output, its exit codes and its options."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from contextlib import ExitStack

import pytest

from sip_stager.demo.chapters import CHAPTERS, NAMES, TOUR, select_chapters
from sip_stager.demo.scene import Chapter  # noqa: TC001  pytest reads the annotations

COMMAND = [sys.executable, "-m", "sip_stager", "demo"]
GOOD = TOUR.scenes[0]


@pytest.fixture(scope="module")
def ended() -> dict[str, subprocess.CompletedProcess[str]]:
    """Return what each chapter prints into a pipe; all are played at the same time."""
    with ExitStack() as stack:
        programs = {
            chapter.name: stack.enter_context(
                subprocess.Popen(
                    [*COMMAND, chapter.name],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for chapter in CHAPTERS
        }
        printed = {name: program.communicate(timeout=120) for name, program in programs.items()}
    return {
        name: subprocess.CompletedProcess(COMMAND, programs[name].returncode, *printed[name])
        for name in programs
    }


@pytest.fixture(scope="module")
def printed(ended: dict[str, subprocess.CompletedProcess[str]]) -> str:
    return ended["tour"].stdout


def _ladder(printed: str, call: int) -> list[str]:
    """Return the texts on the arrows of a call, in order."""
    lines = [line for line in printed.splitlines() if line.startswith(f"#{call} ")]
    return [" ".join(re.sub(r"[│─◀▶]", " ", line[12:]).split()) for line in lines]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_every_scene_goes_as_expected_and_is_shown(
    ended: dict[str, subprocess.CompletedProcess[str]], chapter: Chapter
) -> None:
    program = ended[chapter.name]
    assert (program.returncode, program.stderr) == (0, ""), program.stdout
    summary = program.stdout.partition("Summary")[2]
    for scene in chapter.scenes:
        assert re.search(rf"^ {re.escape(scene.title)} .* as expected", summary, re.MULTILINE)
    assert program.stdout.count("=> ") == len(chapter.scenes)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_a_pipe_gets_no_control_codes_and_no_line_longer_than_80_columns(
    ended: dict[str, subprocess.CompletedProcess[str]], chapter: Chapter
) -> None:
    printed = ended[chapter.name].stdout
    assert "\x1b" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_good_call_is_staged_forwarded_and_hung_up_by_the_agent(printed: str) -> None:
    steps = _ladder(printed, 1)
    assert steps[:3] == ["INVITE +33612345678", "100 Trying", "POST /v1/calls/stage"]
    assert steps[3].startswith("201 staged ")
    assert steps[4].startswith("INVITE X-Rounded-Call-Id: ")
    assert steps[5:7] == ["180 Ringing"] * 2
    assert steps[-4:] == ["BYE caller"] * 2 + ["200 OK (BYE)"] * 2


def test_a_slow_call_rings_when_the_agent_is_warm(printed: str) -> None:
    (after,) = re.findall(r"^#2 +([\d.]+) │[^│]*180 Ringing", printed, re.MULTILINE)
    assert float(after) >= 1490
    assert _ladder(printed, 2)[-4:] == ["BYE agent"] * 2 + ["200 OK (BYE)"] * 2


def test_a_cancelled_call_never_reaches_the_agent(printed: str) -> None:
    steps = _ladder(printed, 3)
    assert "487 Request Terminated" in steps
    assert "closed: cancelled" in steps
    assert not any("X-Rounded-Call-Id" in step for step in steps)


def test_a_call_without_an_api_is_refused_with_the_reason(printed: str) -> None:
    assert any(step.startswith("480 Temporarily") for step in _ladder(printed, 4))
    assert "says why: api_unreachable" in " ".join(printed.split())


def test_the_summary_names_the_options_for_more(printed: str) -> None:
    assert {"--list", "--keep"} <= set(printed.partition("Summary")[2].split())


def test_the_settings_of_a_scene_are_shown_as_a_file_has_them(
    ended: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    assert '[[numbers]] policy = { refused = "refuse 603 Not now" }' in ended["policies"].stdout
    assert "[api] terminate_wasted = true" in ended["claims"].stdout


def test_scenes_are_selected_by_name_and_numbered_by_their_calls() -> None:
    program = subprocess.run(
        [*COMMAND, "weight", "busy"], check=False, capture_output=True, text=True, timeout=60
    )
    assert program.returncode == 0
    headings = re.findall(r"^(Calls? .*?): (.*?) ─", program.stdout, re.MULTILINE)
    assert headings == [("Call 1", "the API is busy"), ("Calls 2 to 4", "by weight")]
    assert "#4 " in program.stdout


def test_all_names_select_everything() -> None:
    assert select_chapters(NAMES) == list(CHAPTERS)


def test_the_list_has_every_name() -> None:
    program = subprocess.run([*COMMAND, "--list"], check=False, capture_output=True, text=True)
    assert (program.returncode, program.stderr) == (0, "")
    assert set(re.findall(r"^ *([a-z]+) ", program.stdout, re.MULTILINE)) >= NAMES


def test_an_unknown_name_is_an_error_on_the_command_line() -> None:
    program = subprocess.run([*COMMAND, "tuor"], check=False, capture_output=True, text=True)
    assert program.returncode == 2
    assert "tuor" in program.stderr
    assert "--list" in program.stderr


def test_names_and_numbers_are_unique_and_titles_fit_into_the_summary() -> None:
    scenes = [scene for chapter in CHAPTERS for scene in chapter.scenes]
    assert len({scene.number for scene in scenes}) == len(scenes)
    assert len(NAMES) == len(scenes) + len(CHAPTERS)
    assert [scene.title for scene in scenes if len(scene.title) > 19] == []


def test_with_keep_it_shows_what_to_dial_and_ends_cleanly_when_interrupted() -> None:
    with subprocess.Popen(
        [*COMMAND, "moved", "--keep"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        try:
            assert program.stdout
            assert program.stderr
            lines = []
            while line := program.stdout.readline():
                lines.append(line)
                if "Ctrl-C ends it" in line:
                    break
            assert re.search(r"sip:\+33612345705@127\.0\.0\.1:\d+", "".join(lines))
            assert "/metrics" in lines[-1]
            program.send_signal(signal.SIGINT)
            rest, errors = program.communicate(timeout=20)
        finally:
            program.kill()
    assert (program.returncode, errors) == (0, "")
    assert "Stopped" in rest


def test_it_ends_silently_when_the_reader_of_its_output_is_gone() -> None:
    with subprocess.Popen(
        [*COMMAND, GOOD.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as program:
        assert program.stdout
        assert program.stderr
        while b" POST /v1/calls/stage " not in program.stdout.readline():
            assert program.poll() is None
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == -signal.SIGPIPE


def test_the_exit_code_and_the_summary_show_a_call_that_went_differently() -> None:
    script = (
        "from dataclasses import replace; from sip_stager.demo import chapters, runner; "
        "[chapter] = chapters.select_chapters(['moved']); "
        "[scene] = chapter.scenes; scene = replace(scene, settings={}); "
        "raise SystemExit(runner.run_demo([replace(chapter, scenes=(scene,))], keep=False))"
    )
    program = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60
    )
    assert (program.returncode, program.stderr) == (1, "")
    assert (
        "=> Not as expected: the caller got 480 Temporarily Unavailable instead of"
        in program.stdout
    )
    assert re.search(r"^ a 302 to the trunk .* DIFFERS", program.stdout, re.MULTILINE)
