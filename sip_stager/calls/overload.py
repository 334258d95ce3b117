"""Overload control: how many new calls are admitted, so that those are served in time.

Theory of operation.  Without it, a server past its capacity does not serve as many calls as it can
and the others late: it serves all of them late, until callers repeat their INVITEs and the repeats
take what capacity is left.  So the control measures the delay, and admits fewer new calls::

            delay > threshold, and not for a moment only
     NORMAL --------------------------------------------> SHEDDING
        ^                                                     |
        +-----------------------------------------------------+
          for RELAX_TIME: no call refused, and delay < threshold / 4

**The delay** is the age of the oldest datagram at each reading of a socket.  Within an interval of
a tenth of a second the smallest of these ages counts, as in CoDel (RFC 8289): a queue that was
empty for an instant is a burst, and a queue that never was is overload.  The lag of the event loop
counts as well, for calls that come over TCP, if it is there twice in a row.

**In SHEDDING** a new call has to pass two gates:

1. The delay is below a quarter of the threshold.  This gate alone would use the whole capacity, but
   swing: an admitted call brings most of its work later, when the API, the upstream and the caller
   have answered, and until then the queue looks short.
2. A token bucket.  In an interval in which the first gate was closed, its rate becomes
   ``MAX_GROWTH`` times the recent average of admitted calls; in any other it grows by ``GROWTH``.
   So it finds the capacity, without anybody having to know it, follows if that changes, and opens
   once the load has fallen.

The threshold to begin is four times that to admit, so the state does not flap at the capacity.
"""

from __future__ import annotations

from collections import deque

from sip_stager.model.vocabulary import OverloadState

ADMIT_SHARE = 0.25  # of the threshold: the delay above which no new call is admitted
MAX_GROWTH = 1.2  # the rate of the second gate while the first is closed, of the average
GROWTH = 0.4  # per second: the growth of that rate while the first gate is open
AVERAGE_TIME = 0.5  # seconds over which admitted calls are averaged
BURST_TIME = 0.02  # seconds of the rate that may be admitted at once, and one call in any case
MIN_RATE = 10.0  # calls per second that the second gate admits at least
MIN_SHARE = 0.25  # of the average at the beginning of SHEDDING: the same, after a long pause
INTERVAL = 0.1  # seconds; the loop's lag is measured as often
RELAX_TIME = 2.0  # seconds without a refusal until all calls are admitted again
MAX_RECENT = 600  # intervals that ``worst_delay`` sees: a minute, so that no scrape misses one


class OverloadControl:
    """The state of the overload control; times are in seconds, of any clock that goes forward.

    ``threshold`` is the delay at which calls begin to be refused; 0 turns the control off.
    ``delay`` is that of the last interval, ``average`` the admitted calls per second, and ``rate``
    those that the second gate admits at most.
    """

    def __init__(self, threshold: float) -> None:
        self.set_threshold(threshold)
        self.state = OverloadState.NORMAL
        self.delay = self._lag = 0.0
        self.rate = self.average = 0.0  # calls per second
        self._oldest: dict[int, float] = {}  # by socket: the last age of this interval
        self._standing: dict[int, float] = {}  # and the smallest
        self._recent: deque[float] = deque([0.0], maxlen=MAX_RECENT)
        self._admitted = 0  # calls until the last interval
        self._min_rate = MIN_RATE
        self._was_closed = False  # the first gate, in this interval
        self._stepped_at: float | None = None
        self._tokens = 0.0
        self._filled_at = 0.0
        self._refused_at = 0.0

    @property
    def worst_delay(self) -> float:
        """The longest age of a datagram within the last minute."""
        return max(self._recent)

    def set_threshold(self, threshold: float) -> None:
        """Refuse calls from another delay on."""
        self._threshold = threshold
        self._low = ADMIT_SHARE * threshold

    def observe_age(self, socket: int, age: float) -> bool:
        """Take the age of the oldest datagram in a socket, as it is read.

        Returns True if shedding must begin at once (``begin_shedding``).
        """
        self._oldest[socket] = age
        smallest = self._standing.get(socket)
        if smallest is None or age < smallest:
            self._standing[socket] = age
        self._recent[-1] = max(self._recent[-1], age)
        # At once, not at the end of the interval, if the last one had a standing queue already.
        return age > self._threshold > 0 and self._low < self.delay and self._is_normal

    def begin_shedding(self, now: float) -> None:
        """Refuse new calls from now on, up to the end of the overload."""
        self._enter(OverloadState.SHEDDING, now)

    def admit(self, now: float) -> bool:
        """Return True if a new call is admitted, and count it against the rate."""
        if self._is_normal:
            return True
        filled = self._tokens + self.rate * (now - self._filled_at)
        self._tokens = min(filled, max(1.0, BURST_TIME * self.rate))
        self._filled_at = now
        closed = max(self._oldest.values(), default=self.delay) >= self._low
        self._was_closed |= closed
        if not closed and self._tokens >= 1.0:
            self._tokens -= 1.0
            return True
        self._refused_at = now
        return False

    def step(self, now: float, lag: float, admitted: int) -> None:
        """End an interval; ``admitted`` counts all calls since the start, ``lag`` is the loop's."""
        lag, self._lag = min(lag, self._lag), lag
        self.delay = max(lag, *self._standing.values(), 0.0)
        self._oldest.clear()
        self._standing.clear()
        self._recent.append(0.0)
        self._update_average(now, admitted)
        if self._is_normal:
            if self.delay > self._threshold > 0:
                self._enter(OverloadState.SHEDDING, now)
            return
        self._update_rate()
        if self.delay >= self._low:
            self._refused_at = now
        elif now - self._refused_at > RELAX_TIME:
            self._enter(OverloadState.NORMAL, now)

    @property
    def _is_normal(self) -> bool:
        return self.state is OverloadState.NORMAL

    def _update_average(self, now: float, admitted: int) -> None:
        """Average the admitted calls exponentially."""
        if self._stepped_at is not None and now > self._stepped_at:
            passed = now - self._stepped_at
            rate = (admitted - self._admitted) / passed
            self.average += min(1.0, passed / AVERAGE_TIME) * (rate - self.average)
        self._admitted, self._stepped_at = admitted, now

    def _update_rate(self) -> None:
        """Set the rate of the second gate at the end of an interval."""
        if self._was_closed:
            self.rate = max(MAX_GROWTH * self.average, self._min_rate)
        else:
            self.rate *= 1 + GROWTH * INTERVAL
        self._was_closed = False

    def _enter(self, state: OverloadState, now: float) -> None:
        self.state = state
        self._min_rate = max(MIN_RATE, MIN_SHARE * self.average)
        self._was_closed = True
        self._update_rate()
        self._tokens, self._filled_at, self._refused_at = 0.0, now, now
