"""The instruments are cheaper than the library's, and look the same to Prometheus."""

from __future__ import annotations

from random import Random

import pytest
from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from sip_stager.observability.call_metrics import RINGING_BUCKETS
from sip_stager.observability.instruments import make_histogram, make_histogram_by_label
from sip_stager.observability.metrics import LAG_BUCKETS
from sip_stager.observability.staging_metrics import PHASE_BUCKETS, STAGING_BUCKETS

NAME, TEXT = "sip_stager_x_seconds", "A text\nof two \\ lines."


@pytest.fixture(autouse=True)
def no_created_series() -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types for it


def texts(registry: CollectorRegistry) -> tuple[bytes, bytes]:
    """Return both expositions, the text format and OpenMetrics."""
    shown: bytes = openmetrics.generate_latest(registry)  # type: ignore[no-untyped-call]  # as above
    return generate_latest(registry), shown


def seconds(bounds: tuple[float, ...]) -> list[float]:
    """Return odd times, all bounds and their neighbours among them."""
    random = Random(4)
    near = [bound + step for bound in bounds for step in (-1e-9, 0, 1e-9)]
    return [*near, 0, 0.0, -1e-12, 1e9, 1e300, *(random.expovariate(1) for _ in range(500))]


@pytest.mark.parametrize(
    "bounds", [LAG_BUCKETS, PHASE_BUCKETS, STAGING_BUCKETS, RINGING_BUCKETS, (0.5, 1e6, 1.5e7)]
)
def test_a_histogram_is_exposed_as_the_librarys_own(bounds: tuple[float, ...]) -> None:
    library, ours = CollectorRegistry(), CollectorRegistry()
    expected = Histogram(NAME, TEXT, buckets=bounds, registry=library)
    histogram = make_histogram(ours, "x", TEXT, bounds)
    assert texts(ours) == texts(library)  # its series exist before the first observation
    for value in seconds(bounds):
        expected.observe(value)
        histogram.observe(value)
    assert texts(ours) == texts(library)


def test_a_histogram_with_a_label_is_exposed_as_the_librarys_own() -> None:
    library, ours = CollectorRegistry(), CollectorRegistry()
    expected = Histogram(NAME, TEXT, ["outcome"], buckets=PHASE_BUCKETS, registry=library)
    by_label = make_histogram_by_label(ours, "x", TEXT, PHASE_BUCKETS, "outcome")
    assert texts(ours) == texts(library)  # no series before the first observation
    for number, value in enumerate(seconds(PHASE_BUCKETS)):
        label = ("staged", "failed", 'odd "\\ \n')[number % 3]
        expected.labels(label).observe(value)
        by_label[label].observe(value)
    assert texts(ours) == texts(library)
