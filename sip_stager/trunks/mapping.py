"""The mapping from called numbers to agents: by exact number, by longest prefix, or the default.

Agents of one number share its callers by weight, days and hours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.trunks.phone_numbers import is_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ANY = "*"
"""The end of a prefix; alone, the default for every number and name."""

_DAY = 24 * 60
_PLAIN = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,?/#-]{1,128}")


def is_plain(number: str) -> bool:
    """Return True for a possible number or name: characters of a URI's user that need no escape."""
    return _PLAIN.fullmatch(number) is not None


class Moment(NamedTuple):
    """A local time of the week: Monday is 0, minutes count from midnight.

    A clock that is set back shows some of them twice, and one that is set forward skips some.
    """

    weekday: int
    minute: int


@dataclass(frozen=True, slots=True)
class Share:
    """An agent, and its share in the callers of a number.

    ``days`` are weekdays, all if empty.  ``hours`` are ranges in minutes of the day, all of it if
    empty; a range that ends before it begins runs into the next day.
    """

    agent: str
    weight: int = 1
    days: frozenset[int] = frozenset()
    hours: tuple[tuple[int, int], ...] = ()

    @property
    def always(self) -> bool:
        """True if it has neither days nor hours."""
        return not self.days and not self.hours

    def on_duty_at(self, moment: Moment) -> bool:
        """Return True if a moment is within its days and hours."""
        today, yesterday = moment.weekday, (moment.weekday - 1) % 7
        for begin, end in self.hours or ((0, _DAY),):
            end_of_range = end if begin < end else end + _DAY
            if self._works_on(today) and begin <= moment.minute < end_of_range:
                return True
            # A night belongs to the day on which it begins: after midnight, the range of the day
            # before may still run, and this moment is a minute past the 24 hours of that day.
            if self._works_on(yesterday) and begin <= moment.minute + _DAY < end_of_range:
                return True
        return False

    def _works_on(self, weekday: int) -> bool:
        return not self.days or weekday in self.days


@dataclass(frozen=True, slots=True)
class Row:
    """The agents that answer calls to a number; numbers with the same agents share a row.

    ``zone`` is the time zone of their days and hours.  ``generation`` is 0 for a row of the
    settings.  A row of the platform has the ``generation`` of the list in which it was new, and no
    agent if the platform redirects the calls.  ``e164`` is the number of calls to a name, for the
    API, or empty.  ``trunks`` are those whose calls it answers; all, if it is empty.
    """

    shares: tuple[Share, ...]
    zone: str = ""
    generation: int = 0
    e164: str = ""
    trunks: frozenset[str] = frozenset()

    def is_reserved(self, trunk: str) -> bool:
        """Return True if it answers the calls of other trunks than this one."""
        return bool(self.trunks) and trunk not in self.trunks

    def number_for_api(self, called: str) -> str:
        """Return a called number or name as the API gets it."""
        return called if is_e164(called) else self.e164 or called

    def choose_agent(self, caller: str, called: str, moment: Callable[[str], Moment]) -> str:
        """Return the agent for a caller, empty if there is none.

        The same caller of the same number gets the same agent while the same ones are on duty.
        """
        if len(self.shares) < 2:
            return self.shares[0].agent if self.shares else ""
        shares = self.on_duty(moment)
        # Each share is an interval as long as its weight; the hash is a point on their sum.
        point = _point(f"{caller} {called}", sum(share.weight for share in shares))
        for share in shares[:-1]:
            point -= share.weight
            if point < 0:
                return share.agent
        return shares[-1].agent

    def on_duty(self, moment: Callable[[str], Moment]) -> list[Share]:
        """Return the agents that share the calls: those with hours that are on duty, else the rest.

        ``moment`` returns the time in a zone; it is called only for rows with days or hours.
        """
        always = [share for share in self.shares if share.always]
        if len(always) == len(self.shares):
            return always
        now = moment(self.zone)
        return [each for each in self.shares if not each.always and each.on_duty_at(now)] or always


def _point(key: str, total: int) -> int:
    """Return a number below a total by a hash of the key: even, and the same in every process."""
    digest = blake2b(key.encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest) % total


class Match(NamedTuple):
    """The row of a called number, the number as the mapping spells it, and the key of the row.

    The ``key`` is that number, a prefix that ends in ``*``, or ``*`` alone.
    """

    row: Row
    number: str
    key: str


class NumberMapping:
    """Finds the row of a called number: its own, else that of the longest prefix, else the default.

    The cost grows with the number of different prefix lengths alone.  ``rows`` are pairs of a key
    and its row.  ``moment`` returns the time of the week in a zone.  ``platform`` has the rows of
    the platform's list by number; those of the settings go first.  The dictionary is replaced as a
    whole, never changed.
    """

    def __init__(self, rows: Iterable[tuple[str, Row]], moment: Callable[[str], Moment]) -> None:
        self.platform: Mapping[str, Row] = {}
        self.moment = moment
        self._exact: dict[str, Row] = {}
        self._default: Row | None = None
        prefixes: dict[int, dict[str, Row]] = {}
        for key, row in rows:
            if key == ANY:
                self._default = row
            elif key.endswith(ANY):
                prefixes.setdefault(len(key) - 1, {})[key[:-1]] = row
            else:
                self._exact[key] = row
        self._prefixes = sorted(prefixes.items(), reverse=True)

    def find(self, number: str) -> Match | None:
        """Return the row of a called number in E.164, or of a called name, or None."""
        if (row := self._own(number)) is not None:
            return Match(row, number, number)
        candidates = self.candidates(number)
        return next((Match(row, spelling, key) for spelling, key, row in candidates if row), None)

    def choose_agent(self, match: Match, caller: str) -> str:
        """Return the agent of a match; ``caller`` is a text that stays the same for one caller."""
        return match.row.choose_agent(caller, match.number, self.moment)

    def candidates(self, number: str) -> Iterator[tuple[str, str, Row | None]]:
        """Yield a spelling of the number, a key and its row, the most specific first.

        Digits that no numbering plan has are looked up as E.164 without its plus sign as well.
        """
        with_plus = f"+{number.removeprefix('00')}"
        spellings = (number, with_plus) if is_e164(with_plus) else (number,)
        for spelling in spellings:
            yield spelling, spelling, self._own(spelling)
        if not is_plain(number):  # called numbers are untrusted, and a prefix would let any pass
            return
        for spelling in spellings:
            for length, rows in self._prefixes:
                if length <= len(spelling):
                    prefix = spelling[:length]
                    yield spelling, f"{prefix}{ANY}", rows.get(prefix)
        yield number, ANY, self._default

    def _own(self, number: str) -> Row | None:
        return self._exact.get(number) or self.platform.get(number)
