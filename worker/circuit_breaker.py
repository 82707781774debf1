"""The circuit breaker: what has just failed as a whole is left alone for a while, not tried for each thing that waits.

Each try may take a time-out, and writes to the ledger, which may be on the very disk that is full; with thousands of
images that wait, each tried every few seconds for a night, that alone would fill it.
"""

from datetime import datetime, timedelta

from service.process.backoff import backoff
from service.process.clock import Clock


class CircuitBreaker:
    """Open while nothing is to be tried: after a failure, and for longer after each further one.

    Parameters
    ----------
    first, longest
        Seconds that it is open after the first failure, and at most.
    """

    def __init__(self, clock: Clock, first: float, longest: float) -> None:
        self._clock = clock
        self._first, self._longest = first, longest
        self._failures = 0
        self._opened_at: datetime | None = None
        self._length = timedelta(0)

    def is_open(self) -> bool:
        """Return whether nothing is to be tried now."""
        return self.left() > timedelta(0)

    def left(self) -> timedelta:
        """Return how long nothing is to be tried."""
        if self._opened_at is None:
            return timedelta(0)
        passed = self._clock() - self._opened_at
        # A clock that was set back lengthens nothing.
        return max(timedelta(0), self._length - passed) if passed >= timedelta(0) else timedelta(0)

    def fail(self) -> None:
        """Say that a try failed, for a reason that others would fail for alike."""
        self._failures += 1
        self._opened_at = self._clock()
        self._length = timedelta(seconds=backoff(self._failures, self._first, self._longest))

    def succeed(self) -> None:
        """Say that a try went well."""
        self._failures, self._opened_at = 0, None
