"""The object store: durable, content-addressed files that are written once and never changed.

A write is durable before it is visible: temporary file, fsync, rename, fsync of the folder.
A killed process loses nothing that the page cache holds, so the order of these calls is what a test proves (strace).
"""

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from service.core.errors import ObjectMissing, StoreFull, StoreUnavailable


@dataclass(frozen=True)
class StoredObject:
    """A durable object: its key (SHA-256 of its bytes, hex) and its size in bytes."""

    key: str
    size: int


class Incoming:
    """An object while it arrives: written piece by piece, then kept or discarded."""

    def __init__(self, store: "ObjectStore", path: Path) -> None:
        self._store = store
        self._path = path
        self._digest = hashlib.sha256()
        self.size = 0
        try:
            # Unbuffered: the pieces are large, and a second copy of them would cost more than the system calls.
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise _unavailable(error) from None

    @property
    def path(self) -> Path:
        """Where the bytes lie until they are kept."""
        return self._path

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append a piece.

        Raises
        ------
        StoreUnavailable
            When the disk does not take it.
        """
        view = memoryview(piece)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise _unavailable(error) from None
        self._digest.update(piece)
        self.size += len(piece)

    def keep(self) -> StoredObject:
        """Make the object durable and visible under its key.

        Raises
        ------
        StoreUnavailable
            When the disk does not take it; nothing is visible then.
        """
        stored = StoredObject(self._digest.hexdigest(), self.size)
        target = self._store.path(stored.key)
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            os.rename(self._path, target)
            _fsync_folder(target.parent)
        except OSError as error:
            self.discard()
            raise _unavailable(error) from None
        return stored

    def discard(self) -> None:
        """Remove what arrived; without effect after `keep`."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class ObjectStore:
    """A folder of objects named by their digest, in 256 subfolders.

    Parameters
    ----------
    folder
        Made when absent; temporary files and objects share its file system, so that a rename is atomic.
    minimum_free_bytes
        Below this much free space nothing new is begun.
    """

    def __init__(self, folder: Path, minimum_free_bytes: int = 0) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._minimum_free_bytes = minimum_free_bytes
        try:
            self._make_folders()
        except OSError as error:
            raise _unavailable(error) from None

    def _make_folders(self) -> None:
        missing = [self._folder / f"{number:02x}" for number in range(256)] + [self._incoming]
        if all(folder.is_dir() for folder in missing):
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in missing:
            folder.mkdir(exist_ok=True, mode=0o700)
        _fsync_folder(self._folder)
        _fsync_folder(self._folder.parent)

    def path(self, key: str) -> Path:
        """Return where the object of a key lies, whether or not it is there."""
        return self._folder / key[:2] / key

    def free_bytes(self) -> int:
        """Return the free space of the store's disk in bytes."""
        try:
            disk = os.statvfs(self._folder)
        except OSError as error:
            raise _unavailable(error) from None
        return disk.f_bavail * disk.f_frsize

    def begin(self) -> Incoming:
        """Begin an object that arrives in pieces.

        Raises
        ------
        StoreFull
            When the disk's free space is below the watermark.
        StoreUnavailable
            When the disk does not take it.
        """
        if self.free_bytes() < self._minimum_free_bytes:
            raise StoreFull
        return Incoming(self, self._incoming / f"{os.getpid()}-{secrets.token_hex(8)}")

    def put(self, content: bytes) -> StoredObject:
        """Store an object that is at hand as a whole."""
        with self.begin() as incoming:
            incoming.write(content)
            return incoming.keep()

    def read(self, key: str) -> bytes:
        """Return an object's bytes.

        Raises
        ------
        ObjectMissing
            When retention, or a person, has removed it.
        """
        try:
            return self.path(key).read_bytes()
        except FileNotFoundError:
            raise ObjectMissing from None
        except OSError as error:
            raise _unavailable(error) from None

    def holds(self, key: str) -> bool:
        """Return whether an object's bytes are here.

        Raises
        ------
        StoreUnavailable
            When the disk cannot be asked.
        """
        try:
            os.stat(self.path(key))
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _unavailable(error) from None
        return True

    def remove_incomplete(self, older_than_seconds: float) -> int:
        """Remove temporary files that a crash left behind; return how many."""
        removed = 0
        for path in self._incomplete():
            try:
                if time.time() - path.stat().st_mtime > older_than_seconds:
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue
        return removed

    def _incomplete(self) -> Iterator[Path]:
        yield from self._incoming.iterdir()


def _fsync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(error: OSError) -> StoreUnavailable:
    return StoreUnavailable(f"the object store cannot be used: {error.strerror}; check the disk of `data_dir`")
