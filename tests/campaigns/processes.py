"""Keeps auscult's processes running while a campaign kills them."""

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.campaigns import clocks
from tests.forked import Forked
from tests.hosts import Host

#: Seconds before a process that died is started again: after a kill, and when it ended by itself.
_AFTER_KILL_S, _AFTER_END_S = 0.2, 1.0


@dataclass
class _Part:
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    host: Host | None
    process: Forked
    starts_at: float | None = None


@dataclass
class Processes:
    """Keeps processes running, as an init system would, while others kill them.

    Attributes
    ----------
    folder
        Where each process writes its output to, one file for each name.
    environment
        What each finds in its environment.
    sets_clocks
        Whether each process has a clock that can be set (`clocks`).
    ended
        Name and exit status of each process that ended although nobody killed it.
    """

    folder: Path
    environment: Mapping[str, str]
    sets_clocks: bool = False
    ended: list[tuple[str, int]] = field(default_factory=list)
    _parts: dict[str, _Part] = field(default_factory=dict)
    _killed: set[int] = field(default_factory=set)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        if self.sets_clocks:
            clocks.begin_fork_server()
        self._keeper = threading.Thread(target=self._keep, name="processes", daemon=True)
        self._keeper.start()

    def start(self, name: str, *command: str, host: Host | None = None, **variables: str) -> None:
        """Start a command under a name, on a host, and keep it running from now on; other keywords are variables."""
        environment = {**self.environment, **variables}
        log = self.folder / f"{name.replace(' ', '-')}.log"
        with self._lock:
            process = _fork(command, environment, log, host)
            self._parts[name] = _Part(command, environment, log, host, process)

    @property
    def names(self) -> list[str]:
        """The processes' names."""
        return list(self._parts)

    def pid(self, name: str) -> int:
        """Return the process id of the process that has a name now, dead or alive."""
        with self._lock:
            return self._parts[name].process.pid

    def kill(self, name: str) -> int:
        """Kill a process with SIGKILL, if it runs; return its process id."""
        with self._lock:
            process = self._parts[name].process
            if process.poll() is None:
                self._killed.add(process.pid)
                process.kill()
            return process.pid

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process, if it runs."""
        with self._lock:
            self._parts[name].process.send_signal(number)

    def is_running(self, name: str) -> bool:
        """Tell whether a process runs."""
        with self._lock:
            return self._parts[name].process.poll() is None

    def _keep(self) -> None:
        while not self._closing.wait(0.05):
            with self._lock:
                for name, part in self._parts.items():
                    self._keep_one(name, part)

    def _keep_one(self, name: str, part: _Part) -> None:
        if (ended := part.process.poll()) is None:
            return
        now = time.monotonic()
        if part.starts_at is None:
            was_killed = part.process.pid in self._killed
            if not was_killed:
                self.ended.append((name, ended))
            part.starts_at = now + (_AFTER_KILL_S if was_killed else _AFTER_END_S)
        elif now >= part.starts_at and not self._closing.is_set():
            part.process, part.starts_at = _fork(part.command, part.environment, part.log, part.host), None

    def close(self) -> None:
        """Kill every process."""
        self._closing.set()
        self._keeper.join()
        for name, part in self._parts.items():
            self.kill(name)
            part.process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fork(command: Sequence[str], environment: Mapping[str, str], log: Path, host: Host | None) -> Forked:
    return Forked(command, environment, log, before=None if host is None else host.enter)
