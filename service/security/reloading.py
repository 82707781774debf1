"""What is read from files and read again when they change: certificates and passwords are renewed without a restart."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from service.process.log import get_logger
from service.vocabulary.errors import SettingsInvalid

log = get_logger(__name__)

T = TypeVar("T")


class Reloading(Generic[T]):
    """A value made of files; each look at it sees whether one has changed.

    Parameters
    ----------
    name
        The settings that name the files, for log lines.
    files
        What the value is made of; links are followed.
    read
        Makes the value; raises SettingsInvalid with the remedy when it cannot.

    Raises
    ------
    SettingsInvalid
        When the files cannot be used as they are; later that is a warning, and the value read before stays.
    """

    def __init__(self, name: str, files: Sequence[Path], read: Callable[[], T]) -> None:
        self._name = name
        self._files = tuple(files)
        self._read = read
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._value = read()

    def current(self) -> T:
        """Return the value, read anew when a file has changed."""
        with self._lock:
            stamps = self._stamps()
            if stamps != self._seen:
                self._seen = stamps
                try:
                    self._value = self._read()
                except SettingsInvalid as error:
                    log.warning("%s; what was read before stays in use until the files are put right", error)
                else:
                    log.info("%s: the files have changed and are in use now", self._name)
            return self._value

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._files]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
