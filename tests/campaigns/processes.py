"""auscult's commands as processes that start in a moment: forked from one that has imported everything already.

A campaign that kills a process every few hundred milliseconds would else spend the machine on imports. What a process
runs is ``python -m service.cli COMMAND``, as everywhere.
"""

import os
import random
import runpy
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from service.cli.supervisor import PARENT
from tests.campaigns import clocks
from tests.hosts import Host

_PRELOADED = [
    "tests.campaigns.clocks",
    "celery.app.amqp",
    "celery.bin.worker",
    "celery.concurrency.solo",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "service.cli.serve",
    "service.cli.sweep",
    "service.cli.web",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "worker.cli",
    "worker.delivery",
    "worker.engine",
    "worker.inference",
    "worker.network",
]
#: Seconds before a process that died is started again: after a kill, and when it ended by itself.
_AFTER_KILL_S, _AFTER_END_S = 0.2, 1.0


def _run(command: Sequence[str], environment: Mapping[str, str], log: Path, host: Host | None) -> None:
    """Become an `auscult` command, in the new process."""
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.environ.clear()
    # The fork server ends with the campaign, and nothing outlives it.
    os.environ.update(environment, **{PARENT: str(os.getppid())})
    random.seed()
    if host is not None:
        host.enter()
    sys.argv = ["auscult", *command]
    runpy.run_module("service.cli", run_name="__main__")


@dataclass
class _Part:
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    host: Host | None
    process: ForkServerProcess
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
        self._context = get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        if self.sets_clocks:
            clocks.begin_fork_server()
        self._keeper = threading.Thread(target=self._keep, name="processes", daemon=True)
        self._keeper.start()

    def start(self, name: str, *command: str, host: Host | None = None, **variables: str) -> None:
        """Start a command under a name, on a host, and keep it running from now on; other keywords are variables."""
        environment = {**self.environment, **variables}
        log = self.folder / f"{name.replace(' ', '-')}.log"
        with self._lock:
            process = self._fork(command, environment, log, host)
            self._parts[name] = _Part(command, environment, log, host, process)

    def _fork(
        self, command: Sequence[str], environment: Mapping[str, str], log: Path, host: Host | None
    ) -> ForkServerProcess:
        process = self._context.Process(target=_run, args=(command, environment, log, host))
        process.start()
        return process

    @property
    def names(self) -> list[str]:
        """The processes' names."""
        return list(self._parts)

    def pid(self, name: str) -> int:
        """Return the process id of the process that has a name now, dead or alive."""
        with self._lock:
            return self._parts[name].process.pid or 0

    def kill(self, name: str) -> int:
        """Kill a process with SIGKILL, if it runs; return its process id."""
        with self._lock:
            process = self._parts[name].process
            if process.is_alive():
                self._killed.add(process.pid or 0)
                process.kill()
            return process.pid or 0

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process, if it runs."""
        with self._lock, suppress(ProcessLookupError):
            if self._parts[name].process.is_alive():
                os.kill(self.pid(name), number)

    def is_running(self, name: str) -> bool:
        """Tell whether a process runs."""
        with self._lock:
            return self._parts[name].process.is_alive()

    def _keep(self) -> None:
        while not self._closing.wait(0.05):
            with self._lock:
                for name, part in self._parts.items():
                    self._keep_one(name, part)

    def _keep_one(self, name: str, part: _Part) -> None:
        if part.process.is_alive():
            return
        now = time.monotonic()
        if part.starts_at is None:
            was_killed = part.process.pid in self._killed
            if not was_killed:
                self.ended.append((name, part.process.exitcode or 0))
            part.starts_at = now + (_AFTER_KILL_S if was_killed else _AFTER_END_S)
        elif now >= part.starts_at and not self._closing.is_set():
            part.process.close()
            part.process, part.starts_at = self._fork(part.command, part.environment, part.log, part.host), None

    def close(self) -> None:
        """Kill every process."""
        self._closing.set()
        self._keeper.join()
        for name, part in self._parts.items():
            self.kill(name)
            part.process.join(10)
            with suppress(ValueError):
                part.process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
