"""Frames that wait for the syslog server: a folder of files, shared by all processes of this machine."""

import fcntl
import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SUFFIX = ".frame"
#: Frames between two looks at how many wait: counting a full folder takes longer than adding to it.
_COUNTED_EVERY = 64


class FrameQueue:
    """A queue on the disk; each process puts in, one at a time takes out.

    Parameters
    ----------
    folder
        Made when absent, for its owner alone.
    limit
        Most frames that wait, within a few dozen.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit
        self._numbers = itertools.count()
        self._is_full = False

    def put(self, frame: bytes) -> None:
        """Add a frame; it is whole or not there.

        Raises
        ------
        OSError
            When the disk does not take it, or too many wait already.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = next(self._numbers)
        if number % _COUNTED_EVERY == 0:
            self._is_full = len(self.waiting()) >= self._limit
        if self._is_full:
            raise OSError("too many audit messages wait for the syslog server")
        name = f"{time.time_ns():020d}-{os.getpid()}-{number}"
        hidden = self._folder / f".{name}"
        descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(frame)
        # Under the suffix that readers look for only once it is whole; the time in front sorts the oldest first.
        hidden.rename(self._folder / f"{name}{_SUFFIX}")

    def waiting(self) -> list[Path]:
        """Return the files of the frames that wait, the oldest first."""
        try:
            return sorted(path for path in self._folder.iterdir() if path.suffix == _SUFFIX)
        except FileNotFoundError:
            return []

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the right to take frames out; tell whether another process has it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                # The kernel releases it when its process dies, however that happens.
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(descriptor)
