"""One log line for a flood: what repeats is told at once, and then counted."""

import logging
import threading
import time
from collections.abc import Callable

#: Seconds between two lines about the same thing.
_EVERY_S = 60.0
#: Things that are remembered.
_MOST = 1000


class Sparing:
    """Writes a line at most once a minute for each thing, with how often it happened since."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._told: dict[str, tuple[float, int]] = {}

    def warn(self, thing: str, message: str, *values: object) -> None:
        """Tell of a thing, such as an address with a reason; the message says it in words."""
        with self._lock:
            now = self._clock()
            since, unsaid = self._told.pop(thing, (-_EVERY_S, 0))
            is_news = now - since >= _EVERY_S
            self._told[thing] = (now, 0) if is_news else (since, unsaid + 1)
            if len(self._told) > _MOST:
                self._told.pop(next(iter(self._told)))
        if is_news:
            more = f" (and {unsaid} times more since the last line)" if unsaid else ""
            self._log.warning(message + "%s", *values, more)
