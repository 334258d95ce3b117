"""Statements of the documents that the program can confirm."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from sip_stager.config import load
from sip_stager.config.tables.settings import TABLES
from sip_stager.model import vocabulary
from sip_stager.model.vocabulary import BreakerState, OverloadState, TreatmentKind
from sip_stager.observability.gauges import GaugeSources
from sip_stager.observability.metrics import Metrics
from sip_stager.trunks.placeholders import SOURCES

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "tests/README.md"])
RUNBOOK = ROOT / "docs/runbook.md"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
SUFFIXES = ("_bucket", "_sum", "_count", "_total", "_info", "")


def served() -> set[str]:
    """Return the names of our metrics, without the suffixes of their samples."""
    sources = GaugeSources(
        calls_staging=lambda: 0,
        settings_fallback=lambda: 0,
        call_records=lambda: 0,
        call_records_dropped=lambda: 0,
        history=dict,
        history_dropped=lambda: 0,
        calls_up=dict,
        stagings_reserved=lambda: 0,
        polls_delayed=lambda: 0,
        transactions=dict,
        message_bytes=lambda: 0,
        tcp_connections=dict,
        api_requests=dict,
        breaker_state=lambda: BreakerState.CLOSED,
        agent_breakers=dict,
        rate_limit_remaining=lambda: None,
        rate_limit_holds=dict,
        agents=dict,
        numbers=dict,
        platform_numbers=dict,
        numbers_refreshed_at=lambda: None,
        limits=dict,
        log_lines_dropped=lambda: 0,
        log_write_errors=lambda: 0,
        worst_lag=lambda: 0.0,
        overload_state=lambda: OverloadState.NORMAL,
        worst_receive_delay=lambda: 0.0,
    )
    found = (metric.name for metric in Metrics(sources).registry.collect())
    return {name for name in found if name.startswith("sip_stager_")}


def named(page: str) -> set[str]:
    """Return the names of our metrics on a page, as they are in ``served``."""
    words = set(re.findall(r"\bsip_stager_[a-z_]+[a-z]\b(?![./])", page))
    known = served()
    return {
        next((word.removesuffix(end) for end in SUFFIXES if word.removesuffix(end) in known), word)
        for word in words
    } - {"sip_stager_py"}


def test_every_metric_is_in_the_list_and_every_listed_one_is_served() -> None:
    assert named((ROOT / "docs/metrics.md").read_text(encoding="utf-8")) == served()


@pytest.mark.parametrize("page", [ALERTS, *PAGES], ids=lambda page: str(page.relative_to(ROOT)))
def test_every_metric_of_a_page_is_served(page: Path) -> None:
    old = page.name == "CHANGELOG.md"  # its table has the names of before
    assert old or named(page.read_text(encoding="utf-8")) <= served()


LABELLED = {
    "StagingOutcome": "stagings_ended_total",
    "CallOutcome": "calls_ended_total",
    "WasteReason": "stagings_wasted_total",
    "DropCause": "messages_dropped_total",
    "TreatmentKind": "calls_treated_total",
    "BreakerState": "breaker_state",
    "OverloadState": "overload_state",
    "AgentState": "agents",
    "AftercareKind": "aftercare_failed_total",
    "AftercareOutcome": "aftercare_failed_total",
    "RetryCause": "staging_retries_total",
    "RefreshOutcome": "numbers_refreshes_total",
    "ReloadOutcome": "settings_reloads_total",
    "TerminationOutcome": "stagings_terminated_total",
}
"""The metric whose label each vocabulary is; the others are on other pages."""
VOCABULARIES = {
    name: found
    for name, found in vars(vocabulary).items()
    if isinstance(found, type) and issubclass(found, StrEnum) and found is not StrEnum
}


def test_every_vocabulary_is_compared_with_a_table() -> None:
    assert VOCABULARIES.keys() == LABELLED.keys() | {"RefusalCause", "EndCause", "Side"}


@pytest.mark.parametrize("name", ["EndCause", "Side"])
def test_the_page_of_the_log_lists_every_word_of_a_field(name: str) -> None:
    page = (ROOT / "docs/log.md").read_text(encoding="utf-8")
    assert set(VOCABULARIES[name]) <= set(re.findall(r"`(\w+)`", page))


@pytest.mark.parametrize("name", LABELLED)
def test_the_row_of_a_metric_lists_every_word_of_its_label(name: str) -> None:
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| `sip_stager_{LABELLED[name]}` \|.*$", page, re.MULTILINE)
    words = set(VOCABULARIES[name]) - {TreatmentKind.REFUSE}  # a refusal is counted elsewhere
    assert words <= set(re.findall(r"`(\w+)`", row))


def test_the_runbook_lists_every_cause_of_a_refusal() -> None:
    page = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(\w+)` \| \d{3}", page, re.MULTILINE))
    never = {vocabulary.StagingOutcome.STAGED, vocabulary.StagingOutcome.CANCELLED}
    assert listed == {*vocabulary.RefusalCause, *vocabulary.StagingOutcome} - never


def test_a_metric_that_is_not_served_is_seen() -> None:
    assert named("rate(sip_stager_calls_vanished_total[5m])") - served()


def settings_of(page: str) -> set[tuple[str, str]]:
    """Return the settings that a page writes as `[table] key`."""
    return set(re.findall(r"`\[+(\w+)\]+ (\w+)[^`]*`", page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_setting_of_a_page_exists(page: Path) -> None:
    found = settings_of(page.read_text(encoding="utf-8"))
    assert [
        f"[{table}] {key}" for table, key in sorted(found) if key not in TABLES[table].model_fields
    ] == []


def test_a_setting_of_a_page_is_a_table_and_a_key() -> None:
    page = 'Set `[api] deadline` or `[[trunks]] profile = "didww"`, see `[policy]`.'
    assert settings_of(page) == {("api", "deadline"), ("trunks", "profile")}


def test_the_runbook_has_a_section_for_each_alert() -> None:
    alerts = re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8"))
    sections = re.findall(r"^## (SipStager\w+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == alerts
    links = re.findall(r"runbook_url: (\S+)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)
    assert links == [f"docs/runbook.md#{name.lower()}" for name in sections]


def test_the_page_of_variables_lists_every_source_and_shows_settings_that_load(
    tmp_path: Path,
) -> None:
    page = (ROOT / "docs/variables.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z_.]+)` \|", page, re.MULTILINE))
    assert listed == SOURCES.keys()
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    settings = tmp_path / "s.toml"
    settings.write_text(
        f'{example}[[listeners]]\naddress = "127.0.0.1"\n[upstream]\nuri = "sip:192.0.2.99"\n'
    )
    assert load(settings, {"ROUNDED_API_KEY": "x"}).numbers[0].variables.keys() == {
        "customer",
        "vip",
    }


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, or of a source file's lines, as on GitHub."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".py":
        return {f"L{number}" for number in range(1, text.count("\n") + 1)}
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8"))
    lost = []
    for path, anchor in links:
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(f"{path}#{anchor}")
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"\[`(\w+)`\]\((\S+\.py)\)", page.read_text(encoding="utf-8"))
    missing = [
        f"{file}: {name}"
        for name, file in named
        if page.name != "conformance.md"  # it is generated, and held by test_generated.py
        and not re.search(
            rf"^\s*(async )?(def|class) {name}\b",
            (page.parent / file).read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]
    assert missing == []


SOURCES_OF_NAMES = sorted([*PAGES, *(ROOT / "sip_stager").rglob("*.py")])
NAMED_FILE = re.compile(r"(?<![\w/.:-])((?:[\w-]+/)*[\w-]+\.py)\b")


def missing_files(text: str, near: Path) -> list[str]:
    """Return the Python files that a text names and that do not exist.

    A name is that of a file beside the text, or a path in the package or in the project.
    """
    folders = (near, ROOT / "sip_stager", ROOT)
    return [
        name
        for name in NAMED_FILE.findall(re.sub(r"\[[^]]*\]\(", "(", text))  # links have their test
        if not any((folder / name).is_file() for folder in folders)
    ]


def test_files_that_a_page_or_a_docstring_names_exist() -> None:
    changelog = ROOT / "CHANGELOG.md"  # it names what was there before
    found = {
        str(source.relative_to(ROOT)): missing
        for source in SOURCES_OF_NAMES
        if source != changelog and (missing := missing_files(source.read_text(), source.parent))
    }
    assert found == {}


def test_a_file_that_is_missing_is_seen() -> None:
    near = ROOT / "sip_stager/calls"
    text = "``shutdown.py``, ``proxy/core.py``, `tests/test_language.py`, ``held.py`` and (a/b.py)"
    assert missing_files(text, near) == ["held.py", "a/b.py"]
