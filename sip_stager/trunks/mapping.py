"""Which agent answers which number: by the number itself, by its beginning, or any."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from sip_stager.trunks.phone_numbers import is_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

ANY = "*"
"""Ends a prefix; alone it stands for every number and name."""

_DAY = 24 * 60
_PLAIN = re.compile(r"[A-Za-z0-9_.!~*'()&=+$,?/#-]{1,128}")


def is_plain(number: str) -> bool:
    """Tell whether this may be a called number or name: unescaped characters of a URI's user."""
    return _PLAIN.fullmatch(number) is not None


class Moment(NamedTuple):
    """A time of the week as a clock on the wall shows it: Monday is 0, minutes are of the day.

    A clock that is put back shows some of them twice, and one that is put forward leaves some out.
    """

    weekday: int
    minute: int


@dataclass(frozen=True, slots=True)
class Share:
    """An agent, and its part in the calls to a number.

    ``days`` are weekdays, all where it is empty.  ``hours`` are beginnings and ends in minutes of
    the day, all of it where it is empty; what ends before it begins goes on into the next day.
    """

    agent: str
    weight: int = 1
    days: frozenset[int] = frozenset()
    hours: tuple[tuple[int, int], ...] = ()

    @property
    def always(self) -> bool:
        """Whether it has neither days nor hours."""
        return not self.days and not self.hours

    def holds(self, moment: Moment) -> bool:
        """Tell whether its days and hours take a moment in."""
        yesterday = Moment((moment.weekday - 1) % 7, moment.minute + _DAY)
        return any(
            day <= when.minute < day_end and (not self.days or when.weekday in self.days)
            for begin, end in self.hours or ((0, _DAY),)
            for day, day_end in [(begin, end if begin < end else end + _DAY)]
            for when in (moment, yesterday)
        )


@dataclass(frozen=True, slots=True)
class Row:
    """A number, a name, a prefix that ends in ``*`` or ``*`` alone, and the agents that answer.

    ``zone`` is the time zone of their days and hours.  ``generation`` is 0 for a row of the
    settings.  One of the platform's has the ``generation`` of the list in which it was new, no
    number, for many share it, and no agent where the platform redirects calls by itself.
    """

    number: str
    shares: tuple[Share, ...]
    zone: str = ""
    generation: int = 0

    def agent(self, caller: str, called: str, moment: Callable[[str], Moment]) -> str:
        """Choose the agent; at a time the same caller of the same number gets the same one.

        Empty where there is none.
        """
        if len(self.shares) < 2:
            return self.shares[0].agent if self.shares else ""
        shares = self.on_duty(moment)
        place = _place(f"{caller} {called}", sum(share.weight for share in shares))
        for share in shares[:-1]:
            place -= share.weight
            if place < 0:
                return share.agent
        return shares[-1].agent

    def on_duty(self, moment: Callable[[str], Moment]) -> list[Share]:
        """Give the agents that share the calls: those whose days and hours hold, else the others.

        ``moment`` gives the time of a zone, and is asked only where there are days or hours.
        """
        always = [share for share in self.shares if share.always]
        if len(always) == len(self.shares):
            return always
        now = moment(self.zone)
        return [each for each in self.shares if not each.always and each.holds(now)] or always


def _place(key: str, total: int) -> int:
    """Give a key its place below a total, evenly and the same everywhere."""
    digest = blake2b(key.encode("utf-8", "backslashreplace"), digest_size=8).digest()
    return int.from_bytes(digest) % total


class Match(NamedTuple):
    """The row of a called number, and the number as the row has it."""

    row: Row
    number: str


class NumberMapping:
    """Finds the row of a called number: its own, else the longest prefix, else the default.

    The cost depends on how many different lengths of prefixes there are, and on nothing else.
    ``moment`` gives the time of the week in a zone.  ``platform`` are further rows by their
    numbers, which the platform has; of two of one number that of the settings counts.  It is
    replaced as a whole.
    """

    def __init__(self, rows: Iterable[Row], moment: Callable[[str], Moment]) -> None:
        self.platform: Mapping[str, Row] = {}
        self.moment = moment
        self._exact: dict[str, Row] = {}
        self._default: Row | None = None
        prefixes: dict[int, dict[str, Row]] = {}
        for row in rows:
            if row.number == ANY:
                self._default = row
            elif row.number.endswith(ANY):
                prefixes.setdefault(len(row.number) - 1, {})[row.number[:-1]] = row
            else:
                self._exact[row.number] = row
        self._prefixes = sorted(prefixes.items(), reverse=True)

    def find(self, number: str) -> Match | None:
        """Find the row of a called number in E.164 or of a name."""
        if (row := self._own(number)) is not None:
            return Match(row, number)
        return next((Match(row, spelt) for spelt, _, row in self.considered(number) if row), None)

    def agent(self, match: Match, caller: str) -> str:
        """Choose the agent of a match; ``caller`` is what the same caller always has."""
        return match.row.agent(caller, match.number, self.moment)

    def considered(self, number: str) -> Iterator[tuple[str, str, Row | None]]:
        """Give what is looked for, the narrowest first: a spelling of the number, a key, its row.

        Digits that no numbering plan knows are looked for as E.164 without its plus sign as well.
        Prefixes and the default take only what is plain, for strangers write called numbers.
        """
        with_plus = f"+{number.removeprefix('00')}"
        spellings = (number, with_plus) if is_e164(with_plus) else (number,)
        for spelt in spellings:
            yield spelt, spelt, self._own(spelt)
        if not is_plain(number):
            return
        for spelt in spellings:
            for length, rows in self._prefixes:
                if length <= len(spelt):
                    yield spelt, f"{spelt[:length]}{ANY}", rows.get(spelt[:length])
        yield number, ANY, self._default

    def _own(self, number: str) -> Row | None:
        return self._exact.get(number) or self.platform.get(number)
