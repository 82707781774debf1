"""The time, in UTC, and whether the clock that tells it was set meanwhile."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]

#: Whatever a clock is slewed by between two looks is less.
_LEAST_S = 5.0
#: For how long after a leap forward leases are as long as they were: every one that was taken before it is over then.
_GRACE_S = 600.0
#: Counts on while a machine is suspended, where there is such a clock: to wake up is not to set the clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True)
class ClockStep:
    """A moment at which the clock was set: forward by so many seconds, or back."""

    at: datetime
    seconds: float


class ClockWatch:
    """Notices that this machine's clock was set: it has gone another way than the one that nobody can set."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offset: float | None = None
        self._leap, self._leapt_at = 0.0, -_GRACE_S
        self._steps: list[ClockStep] = []

    def look(self, now: datetime, steady: float) -> None:
        """Compare the time with a clock that is never set, in seconds from whatever moment."""
        offset = now.timestamp() - steady
        with self._lock:
            step = 0.0 if self._offset is None else offset - self._offset
            self._offset = offset
            if abs(step) >= _LEAST_S:
                self._leap = max(0.0, step + self._recent(steady))
                self._leapt_at = steady
                self._steps = [*self._steps[-9:], ClockStep(now, step)]

    def recent_leap(self, steady: float) -> timedelta:
        """Return by how much the clock was set forward a short while ago."""
        with self._lock:
            return timedelta(seconds=self._recent(steady))

    def _recent(self, steady: float) -> float:
        return self._leap if steady - self._leapt_at < _GRACE_S else 0.0

    def take(self) -> list[ClockStep]:
        """Return the steps since this was last asked."""
        with self._lock:
            steps, self._steps = self._steps, []
            return steps


#: This process's.
WATCH = ClockWatch()


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC."""
    now = datetime.now(UTC)
    WATCH.look(now, time.clock_gettime(_STEADY))
    return now


def recent_leap() -> timedelta:
    """Return by how much this machine's clock was set forward a short while ago, as this process noticed."""
    return WATCH.recent_leap(time.clock_gettime(_STEADY))
