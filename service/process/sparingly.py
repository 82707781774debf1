"""Warnings about peers, of which a peer cannot make more than a few a minute: the others are counted."""

import logging
import threading
import time
from dataclasses import dataclass, field

#: Seconds for which warnings about an address are counted together, and how many different ones are written then.
_WINDOW_S = 60.0
_LINES = 10
#: Addresses that are remembered; of one that is forgotten, the count is written.
_MOST_ADDRESSES = 1000


@dataclass
class _Window:
    """What was written about an address since, and how often nothing was."""

    opened: float
    written: set[str] = field(default_factory=set)
    unwritten: int = 0


class Sparing:
    """Writes warnings about peers: each different one once a minute, and how many more there were; thread-safe."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._windows: dict[str, _Window] = {}

    def warn(self, address: str, text: str) -> None:
        """Write a warning about an address, or count it."""
        now = time.monotonic()
        with self._lock:
            window = self._windows.get(address)
            if window is None or now - window.opened > _WINDOW_S:
                self._close(address)
                window = self._windows[address] = _Window(now)
            if len(self._windows) > _MOST_ADDRESSES:
                self._close(next(iter(self._windows)))
            if text in window.written or len(window.written) >= _LINES:
                window.unwritten += 1
                return
            window.written.add(text)
        self._log.warning("%s", text)

    def turn(self) -> None:
        """Write the counts that are due; called every second or so."""
        now = time.monotonic()
        with self._lock:
            for address in [name for name, window in self._windows.items() if now - window.opened > _WINDOW_S]:
                self._close(address)

    def _close(self, address: str) -> None:
        window = self._windows.pop(address, None)
        if window is not None and window.unwritten:
            self._log.warning(
                "%d more warnings about %s within %d s, like those above", window.unwritten, address, _WINDOW_S
            )
