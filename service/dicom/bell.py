"""A bell that ends another thread's wait for a connection."""

import os
import queue
import select
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

#: Longest wait of a thread of an association without a look at its timers, in seconds.
LOOK_S = 0.25


class Bell:
    """Rings for the one thread that waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: tuple[int, int] | None = os.pipe()
        for descriptor in self._pipe:
            os.set_blocking(descriptor, False)

    def ring(self) -> None:
        """End the wait, or the next one."""
        with self._lock, suppress(BlockingIOError):
            if self._pipe is not None:
                os.write(self._pipe[1], b"!")

    def wait(self, connection: int | None, timeout_s: float) -> bool:
        """Wait until the bell rings or a connection has input; return whether it has.

        Parameters
        ----------
        connection
            A file descriptor; none waits for the bell alone.
        """
        if self._pipe is None:
            return False
        poll = select.poll()
        poll.register(self._pipe[0], select.POLLIN)
        if connection is not None:
            poll.register(connection, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(1000 * timeout_s)]
        if self._pipe[0] in ready:
            with suppress(BlockingIOError):
                os.read(self._pipe[0], 4096)
        return connection in ready

    def close(self) -> None:
        """Give the bell back; ringing it does nothing from now on."""
        with self._lock:
            for descriptor in self._pipe or ():
                os.close(descriptor)
            self._pipe = None


class SignallingQueue(queue.Queue[Any]):
    """A queue that tells another of each arrival."""

    def __init__(self, signal: Callable[[], None]) -> None:
        super().__init__()
        self._signal = signal

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put an item, and tell of it."""
        super().put(item, block, timeout)
        self._signal()
