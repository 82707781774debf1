"""Heartbeats: a file that a process touches while it gets on, so that another can tell whether it does.

A process that hangs is alive to the system. What counts is who touches: the loop that does the work, never a thread
that only keeps time.

A folder may be one that several machines share: each looks at its own processes alone, for a process id says nothing of
another machine's.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path

#: Seconds between two touches, at the least.
_EVERY_S = 1.0


class Heartbeat:
    """One process's heartbeat.

    Parameters
    ----------
    folder
        Made when absent.
    part
        What the process does, such as ``"infer"``.
    """

    def __init__(self, folder: Path, part: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = folder / f"{part}-{os.getpid()}@{socket.gethostname()}"
        self._touched = 0.0
        self.beat()

    def beat(self) -> None:
        """Say that the process gets on; cheap enough for a loop that turns often."""
        if time.monotonic() - self._touched >= _EVERY_S:
            self._touched = time.monotonic()
            with suppress(
                OSError
            ):  # a full disk must not stop the work; a heartbeat that cannot be seen is looked into
                self._path.touch(0o600)

    def stop(self) -> None:
        """Take the heartbeat away: the process ends as it should."""
        self._path.unlink(missing_ok=True)


def ages(folder: Path, part: str) -> list[float]:
    """Return the seconds since each process of a part on this machine last touched its heartbeat.

    The dead are cleared away.
    """
    found = []
    for path in folder.glob(f"{part}-*@*"):
        name, _, host = path.name.partition("@")
        if host != socket.gethostname():
            continue
        if not _lives(int(name.rpartition("-")[2])):
            path.unlink(missing_ok=True)
            continue
        with suppress(FileNotFoundError):
            found.append(max(0.0, time.time() - path.stat().st_mtime))
    return found


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
