"""How long the site takes to be itself again after each kind of fault."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

from sqlalchemy.exc import DBAPIError


@dataclass
class _Open:
    kind: str
    since: float
    is_over: Callable[[], bool]


@dataclass
class Recovery:
    """Watches until each fault is over.

    Attributes
    ----------
    seconds
        From the end of a fault until its effect was gone, by kind of fault.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    _open: list[_Open] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._run, name="recovery", daemon=True)
        self._thread.start()

    def watch(self, kind: str, is_over: Callable[[], bool]) -> None:
        """Measure from now on until the condition holds."""
        with self._lock:
            self.seconds.setdefault(kind, [])
            self._open.append(_Open(kind, time.monotonic(), is_over))

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            with self._lock:
                watched = list(self._open)
            for fault in watched:
                if self._holds(fault):
                    with self._lock:
                        self._open.remove(fault)
                        self.seconds[fault.kind].append(time.monotonic() - fault.since)

    def _holds(self, fault: _Open) -> bool:
        try:
            return fault.is_over()
        except DBAPIError:
            return False  # while the database is away, nothing is known

    def finish(self, timeout_s: float = 30.0) -> list[str]:
        """Stop watching; return the kinds of the faults that are not over by then."""
        deadline = time.monotonic() + timeout_s
        while self._open and time.monotonic() < deadline:
            time.sleep(0.1)
        self._stop.set()
        self._thread.join()
        return [fault.kind for fault in self._open]

    def table(self) -> str:
        """Return the measured times as a table."""
        return times_table(self.seconds)


def times_table(seconds: Mapping[str, list[float]]) -> str:
    """Return a Markdown table of median and longest time by kind of fault."""
    lines = ["| fault | times | median s | longest s |", "| --- | --- | --- | --- |"]
    for kind, values in sorted(seconds.items()):
        figures = f"{median(values):.1f} | {max(values):.1f}" if values else "- | -"
        lines.append(f"| {kind} | {len(values)} | {figures} |")
    return "\n".join(lines)
