"""Slows down who guesses passwords, without locking anybody out for long."""

import time
from collections.abc import Callable

#: Wrong passwords from one address before its first pause.
FREE = 5
_LONGEST_S = 60.0
_FORGOTTEN_AFTER_S = 600.0
_MOST_ADDRESSES = 10_000


class Throttle:
    """Counts failures by address; each beyond the free ones doubles the pause, up to a minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: Failures, and the time of the last one, by address; the longest unchanged first.
        self._failures: dict[str, tuple[int, float]] = {}

    def is_paused(self, address: str) -> bool:
        """Return whether an address has to wait."""
        count, last = self._failures.get(address, (0, 0.0))
        return count >= FREE and self._clock() < last + min(2.0 ** (count - FREE), _LONGEST_S)

    def failed(self, address: str) -> None:
        """Note a failure."""
        now = self._clock()
        count, last = self._failures.pop(address, (0, now))
        if now - last > _FORGOTTEN_AFTER_S:
            count = 0
        self._failures[address] = (count + 1, now)
        if len(self._failures) > _MOST_ADDRESSES:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, address: str) -> None:
        """Forget an address's failures."""
        self._failures.pop(address, None)
