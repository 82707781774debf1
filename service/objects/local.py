"""Objects as files of a folder.

A write is durable before it is visible: temporary file, fsync, rename, fsync of the folder.
A killed process loses nothing that the page cache holds, so the order of these calls is what a test proves (strace).

References
----------
POSIX.1-2017, fsync() and rename()
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from service.objects.contract import StoredObject, verified
from service.objects.room import Room, unusable
from service.objects.spool import Spool, SpooledFile
from service.vocabulary.errors import ObjectMissing


class LocalIncoming(SpooledFile):
    """An object on its way into the folder."""

    def __init__(self, spool: Spool, store: "LocalStore") -> None:
        super().__init__(spool)
        self._store = store

    def keep(self) -> StoredObject:
        """Make the object durable and visible under its key; see `service.objects.contract.Incoming`."""
        stored = StoredObject(self._digest.hexdigest(), self.size)
        target = self._store.path(stored.key)
        try:
            # The bytes before the name: the other way round a power failure may leave a name with nothing behind it.
            os.fsync(self._file.fileno())
            self._file.close()
            # Atomic; where another process has kept the same bytes, it replaces them by themselves.
            os.rename(self.path, target)
            # A name is a part of its folder, and durable only once the folder is.
            _fsync_folder(target.parent)
        except OSError as error:
            self.discard()
            raise unusable(error) from None
        return stored


class LocalStore:
    """A folder of objects named by their digest, in 256 subfolders; see `service.objects.contract.ObjectStore`.

    Parameters
    ----------
    folder
        Made when absent; temporary files and objects share its file system, so that a rename is atomic.
    reserve_bytes
        Below this much free space nothing new is begun.
    """

    def __init__(self, folder: Path, reserve_bytes: int = 0) -> None:
        self._folder = folder
        self.room = Room(folder, reserve_bytes)
        self._spool = Spool(folder / "incoming", self.room)
        try:
            self._make_folders()
        except OSError as error:
            raise unusable(error) from None

    def _make_folders(self) -> None:
        missing = [self._folder / f"{number:02x}" for number in range(256)] + [self._spool.folder]
        if all(folder.is_dir() for folder in missing):
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in missing:
            folder.mkdir(exist_ok=True, mode=0o700)
        _fsync_folder(self._folder)
        # The folder's own name is a part of the folder above.
        _fsync_folder(self._folder.parent)

    def path(self, key: str) -> Path:
        """Return where the object of a key lies, whether or not it is there."""
        return self._folder / key[:2] / key

    def begin(self) -> LocalIncoming:
        """Begin an object that arrives in pieces."""
        self.room.require()
        return LocalIncoming(self._spool, self)

    def put(self, content: bytes) -> StoredObject:
        """Store a report of ours as a whole."""
        self.room.require_for_report(len(content))
        with LocalIncoming(self._spool, self) as incoming:
            incoming.write(content)
            return incoming.keep()

    def read(self, key: str) -> bytes:
        """Return an object's bytes, checked against their digest.

        Raises
        ------
        ObjectMissing
            When it is not there.
        ObjectDamaged
            When they are not the bytes that were kept.
        StoreUnavailable
            When the disk cannot be read.
        """
        try:
            content = self.path(key).read_bytes()
        except FileNotFoundError:
            raise ObjectMissing from None
        except OSError as error:
            raise unusable(error) from None
        return verified(key, content)

    def holds(self, key: str) -> bool:
        """Return whether an object is there."""
        try:
            os.stat(self.path(key))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unusable(error) from None
        return True

    def stored(self, prefix: str) -> Iterator[StoredObject]:
        """Yield the objects whose keys begin with two hexadecimal digits."""
        try:
            with os.scandir(self._folder / prefix) as entries:
                yield from [StoredObject(entry.name, entry.stat().st_size) for entry in entries]
        except FileNotFoundError:
            return  # removed while we looked; the next look sees the rest
        except OSError as error:
            raise unusable(error) from None

    def remove(self, key: str, minimum_age: float) -> int:
        """Remove an object that was last written at least so many seconds ago; return the bytes freed."""
        try:
            found = os.stat(self.path(key))
            if time.time() - found.st_mtime < minimum_age:
                return 0
            os.unlink(self.path(key))
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise unusable(error) from None
        return found.st_size

    def remove_incomplete(self, older_than_seconds: float) -> int:
        """Remove half-received files that a crash left behind; return how many."""
        return self._spool.remove_incomplete(older_than_seconds)

    def check(self) -> None:
        """Do nothing where the next object would be taken."""
        self.room.require()


def _fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
