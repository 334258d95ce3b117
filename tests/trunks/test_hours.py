"""Days and hours are in local time, also on the days on which the clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from sip_stager.assembly.trunks import local_time
from sip_stager.config.tables.field_types import parse_hours
from sip_stager.trunks.mapping import Row, Share


class LocalHours:
    """A number whose agent has hours, and a clock that the test sets."""

    def __init__(self, zone: str, hours: str, *days: int) -> None:
        shares = Share("hours", days=frozenset(days), hours=(parse_hours(hours),)), Share("rest")
        self._row = Row(shares, zone)

    def at(self, utc: datetime) -> str:
        """Return the agent that answers at a time."""
        moment = partial(local_time, clock=utc.timestamp)
        return self._row.choose_agent("+33912345678", "+33612345678", moment)

    def minutes(self, noon: datetime) -> int:
        """Count the minutes on duty, of the agent with hours, in the 24 hours around a time."""
        begin = noon - timedelta(hours=12)
        return sum(self.at(begin + timedelta(minutes=each)) == "hours" for each in range(24 * 60))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


PARIS, NEW_YORK, LORD_HOWE = "Europe/Paris", "America/New_York", "Australia/Lord_Howe"
CHANGES = {
    (PARIS, "forward"): utc("2026-03-29T01:00"),
    (PARIS, "back"): utc("2026-10-25T01:00"),
    (NEW_YORK, "forward"): utc("2026-03-08T07:00"),
    (NEW_YORK, "back"): utc("2026-11-01T06:00"),
    (LORD_HOWE, "forward"): utc("2026-10-03T15:30"),
    (LORD_HOWE, "back"): utc("2026-04-04T15:00"),
    # In 2025: the zone data of some systems has summer time in Cuba go on through the next winter.
    ("America/Havana", "forward"): utc("2025-03-09T05:00"),
    ("America/Havana", "back"): utc("2025-11-02T05:00"),
    ("Asia/Kolkata", "never"): utc("2026-03-28T20:30"),
    ("UTC", "never"): utc("2026-03-29T02:00"),
}


@pytest.mark.parametrize(
    ("zone", "change", "hours", "minutes"),
    [
        # the clock goes from 02:00 to 03:00, and from 03:00 to 02:00
        (PARIS, "forward", "02:00-03:00", 0),
        (PARIS, "back", "02:00-03:00", 120),
        (PARIS, "forward", "02:30-03:30", 30),
        (PARIS, "back", "02:30-03:30", 90),
        (PARIS, "forward", "01:00-02:00", 60),
        (PARIS, "back", "01:00-02:00", 60),
        (PARIS, "forward", "22:00-06:00", 7 * 60),
        (PARIS, "back", "22:00-06:00", 9 * 60),
        (PARIS, "forward", "22:00-02:30", 4 * 60),
        (PARIS, "back", "22:00-02:30", 5 * 60),
        # from 02:00 to 03:00, and from 02:00 to 01:00
        (NEW_YORK, "forward", "02:00-03:00", 0),
        (NEW_YORK, "back", "01:00-02:00", 120),
        (NEW_YORK, "forward", "22:00-06:00", 7 * 60),
        (NEW_YORK, "back", "22:00-06:00", 9 * 60),
        # from 02:00 to 02:30, and from 02:00 to 01:30
        (LORD_HOWE, "forward", "02:00-03:00", 30),
        (LORD_HOWE, "back", "01:00-02:00", 90),
        (LORD_HOWE, "forward", "22:00-06:00", 7 * 60 + 30),
        (LORD_HOWE, "back", "22:00-06:00", 8 * 60 + 30),
        # at midnight: from 00:00 to 01:00, and from 01:00 to 00:00
        ("America/Havana", "forward", "22:00-00:30", 120),
        ("America/Havana", "forward", "00:00-02:00", 60),
        ("America/Havana", "back", "00:00-02:00", 180),
        ("America/Havana", "back", "22:00-00:30", 180),
        ("Asia/Kolkata", "never", "02:00-03:00", 60),
        ("Asia/Kolkata", "never", "22:00-06:00", 8 * 60),
        ("UTC", "never", "22:00-06:00", 8 * 60),
    ],
)
def test_hours_last_as_long_as_the_local_clock_shows_them(
    zone: str, change: str, hours: str, minutes: int
) -> None:
    assert LocalHours(zone, hours).minutes(CHANGES[zone, change]) == minutes


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-03-28T20:59:59", "rest"),  # Saturday 21:59:59 in Paris
        ("2026-03-28T21:00:00", "hours"),
        ("2026-03-29T00:59:59", "hours"),  # 01:59:59
        ("2026-03-29T01:00:00", "hours"),  # 03:00
        ("2026-03-29T03:59:59", "hours"),  # 05:59:59
        ("2026-03-29T04:00:00", "rest"),
        ("2026-10-24T19:59:59", "rest"),  # Saturday 21:59:59
        ("2026-10-24T20:00:00", "hours"),
        ("2026-10-25T00:30:00", "hours"),  # 02:30
        ("2026-10-25T01:30:00", "hours"),  # 02:30 again
        ("2026-10-25T04:59:59", "hours"),
        ("2026-10-25T05:00:00", "rest"),
        ("2026-10-25T21:00:00", "rest"),  # Sunday 22:00
    ],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(at: str, expected: str) -> None:
    assert LocalHours(PARIS, "22:00-06:00", 5).at(utc(at)) == expected


@pytest.mark.parametrize(("change", "minutes"), [("forward", 23 * 60), ("back", 25 * 60)])
def test_a_whole_day_has_23_or_25_hours_when_the_clock_changes(change: str, minutes: int) -> None:
    hours, middle = LocalHours(NEW_YORK, "00:00-24:00", 6), CHANGES[NEW_YORK, change]
    days = (hours.minutes(middle + timedelta(days=day)) for day in (-1, 0, 1))
    assert sum(days) == minutes


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (1, "2028-02-28T22:59", "rest"),  # Monday
        (1, "2028-02-28T23:00", "hours"),  # Tuesday the 29th, 00:00
        (1, "2028-02-29T22:59", "hours"),
        (1, "2028-02-29T23:00", "rest"),  # Wednesday, the 1st of March
        (3, "2026-12-31T22:59", "hours"),  # Thursday
        (3, "2026-12-31T23:00", "rest"),  # Friday, 2027
    ],
)
def test_days_of_the_week_hold_on_leap_days_and_at_new_year(
    day: int, at: str, expected: str
) -> None:
    assert LocalHours(PARIS, "00:00-24:00", day).at(utc(at)) == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-12-31T21:00", "hours"),  # Thursday 22:00
        ("2027-01-01T04:59", "hours"),
        ("2027-01-01T05:00", "rest"),
        ("2027-01-01T21:00", "rest"),  # Friday 22:00
    ],
)
def test_a_night_runs_into_the_next_year(at: str, expected: str) -> None:
    assert LocalHours(PARIS, "22:00-06:00", 3).at(utc(at)) == expected
