"""Wake workers up: a hint that work may be due, with no payload; the ledger is the truth, and the sweep repairs.

Two ways, by one setting: named pipes beside the embedded ledger, or tasks in Celery on Redis.
"""

import errno
import os
import select
import threading
import time
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from service.process.log import get_logger
from service.settings import Settings

log = get_logger(__name__)

#: Seconds after which a worker passes over a wake-up, so that those of days without a worker are gone in a moment. It
#: judges by its own clock, without a word: one that is wrong by less, as by a time zone, must not pass over all.
_EXPIRES_S = 86_400
#: What Celery is told on both sides of the broker: wake-ups in JSON, of which nobody awaits a result.
WAKE_UPS = {"task_ignore_result": True, "task_serializer": "json", "result_serializer": "json"}
#: Seconds for a word of the broker.
_ANSWER_S = 2
#: Seconds without wake-ups after one that failed: a broker that hangs holds up one image, not each.
_PAUSE_S = 5


class Task(StrEnum):
    """A queue's name, which is the name of the work that waits there."""

    INFER = "infer"
    DELIVER = "deliver"


class Waker(Protocol):
    """Whatever wakes workers up."""

    def wake(self, task: Task) -> None:
        """Say that work may be due; never raises, for a lost hint only delays."""


class LocalWaker:
    """Wakes the workers on this machine: a byte into each one's named pipe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def wake(self, task: Task) -> None:
        """Write a byte into every pipe of a task; one that nobody reads belongs to a dead worker."""
        for path in self._folder.glob(f"{task.value}-*"):
            try:
                # Without O_NONBLOCK this would wait for a reader; with it, ENXIO tells that there is none.
                descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno == errno.ENXIO:  # any other error says nothing about the reader
                    with suppress(OSError):
                        path.unlink()
                continue
            with suppress(OSError):  # a full pipe wakes its reader as well, and a reader that is gone needs no waking
                os.write(descriptor, b"!")
            os.close(descriptor)


class LocalBell:
    """A worker's end of the named pipe: waits for a wake-up, or until it is time for a look of its own."""

    def __init__(self, folder: Path, task: Task) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = f"{task.value}-{os.getpid()}-{os.urandom(4).hex()}"
        # A waker removes a pipe that nobody reads: it may see this one only once it is open.
        hidden, self._path = folder / f".{name}", folder / name
        os.mkfifo(hidden, 0o600)
        # Open for writing too, so that the pipe never reports its end when a waker closes it.
        self._descriptor = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
        hidden.rename(self._path)

    def wait(self, seconds: float) -> bool:
        """Return whether a wake-up came within the time."""
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if ready:
            with suppress(BlockingIOError):
                os.read(self._descriptor, 65536)
        return bool(ready)

    def close(self) -> None:
        """Remove the pipe."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class CeleryWaker:
    """Wakes workers through Celery: a task without arguments, so that no broker ever holds patient data."""

    def __init__(self, url: str) -> None:
        from celery import Celery  # a listener without a broker starts without it

        self._app = Celery("auscult", broker=url, set_as_current=False)
        self._app.conf.update(
            WAKE_UPS,
            broker_transport_options={
                "socket_timeout": _ANSWER_S,
                "socket_connect_timeout": _ANSWER_S,
                "max_retries": 0,  # to connect; by default it tries for seconds
            },
        )
        # One at a time: while the first hears nothing, the others need not find out for themselves.
        self._lock = threading.Lock()
        self._quiet_until = 0.0

    def wake(self, task: Task) -> None:
        """Send the task; an unreachable broker is logged, left alone for a while, and made good by the sweep."""
        with self._lock:
            if time.monotonic() >= self._quiet_until:
                self._send(task)

    def _send(self, task: Task) -> None:
        try:
            self._app.send_task(f"worker.{task.value}", queue=task.value, retry=False, expires=_EXPIRES_S)
        except Exception as error:  # noqa: BLE001
            # Whatever the broker's client raises, the image is safe: only the hint is lost.
            self._quiet_until = time.monotonic() + _PAUSE_S
            log.warning(
                "the broker took no wake-up for %s (%s); it is asked again in %d s, and the sweep repeats what is lost",
                task.value,
                type(error).__name__,
                _PAUSE_S,
            )


def waker(settings: Settings) -> Waker:
    """Return the waker that the settings ask for."""
    if settings.queue.is_local:
        return LocalWaker(settings.wake_dir)
    return CeleryWaker(settings.queue.address.get_secret_value())
