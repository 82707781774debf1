"""What a process holds, read from /proc: threads, file handles, sockets, memory."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Vitals:
    """A process at one moment; memory is resident and in bytes."""

    threads: int
    handles: int
    sockets: int
    memory_bytes: int

    @classmethod
    def of(cls, pid: int) -> "Vitals":
        """Read a process; FileNotFoundError or ProcessLookupError when it is gone."""
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        handles = sockets = 0
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except FileNotFoundError:
                continue  # closed meanwhile
            handles += 1
            sockets += target.startswith("socket:")
        return cls(int(status["Threads"]), handles, sockets, int(status["VmRSS"].split()[0]) * 1024)

    def __str__(self) -> str:
        return (
            f"{self.threads} threads, {self.handles} handles, {self.sockets} sockets, "
            f"{self.memory_bytes / 2**20:.0f} MiB"
        )


def settled(pid: int, is_calm: Callable[[Vitals], bool], timeout_s: float = 30.0) -> Vitals:
    """Return a process's vitals once they are calm, or as they are when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not is_calm(vitals := Vitals.of(pid)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return vitals


def slope(values: list[float], every_s: float) -> float:
    """Return the least-squares slope of a series, per second."""
    number = len(values)
    if number < 2:
        return 0.0
    middle, mean = (number - 1) / 2, sum(values) / number
    spread = sum((index - middle) ** 2 for index in range(number))
    return sum((index - middle) * (value - mean) for index, value in enumerate(values)) / spread / every_s


class Watch:
    """Reads the vitals of processes time and again, from a thread of its own.

    Parameters
    ----------
    pids
        Process ids by name.
    """

    def __init__(self, pids: Mapping[str, int], every_s: float = 1.0) -> None:
        self.seen: dict[str, list[Vitals]] = {name: [] for name in pids}
        self.every_s = every_s
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            for name, pid in self._pids.items():
                with suppress(FileNotFoundError, ProcessLookupError):
                    self.seen[name].append(Vitals.of(pid))

    def peak_bytes(self, name: str) -> int:
        """Return the largest memory seen of a process."""
        return max(vitals.memory_bytes for vitals in self.seen[name])

    def growth(self, name: str, of: Callable[[Vitals], float]) -> float:
        """Return by how much something grew over the whole time, by the straight line through all that was seen."""
        values = [of(vitals) for vitals in self.seen[name]]
        return slope(values, self.every_s) * self.every_s * len(values)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
