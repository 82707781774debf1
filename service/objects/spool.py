"""The file that an arriving object is written to, piece by piece, with its digest."""

import hashlib
import os
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from service.objects.room import Room, unusable
from service.objects.writeback import begin_writeback

#: Bytes between two looks at the disk while an object arrives: nobody says beforehand how large it will be.
_LOOK_EVERY = 4 << 20
#: Bytes after which they are on their way to the disk, while the next arrive.
_WRITE_BACK_EVERY = 1 << 20


class Spool:
    """A folder of half-received files on the disk of a room."""

    def __init__(self, folder: Path, room: Room) -> None:
        self.folder = folder
        self.room = room

    def new_path(self) -> Path:
        """Return a name that nobody has."""
        return self.folder / f"{os.getpid()}-{secrets.token_hex(8)}"

    def remove_incomplete(self, older_than_seconds: float) -> int:
        """Remove files that a crash left behind; return how many."""
        removed = 0
        for path in self.folder.iterdir():
            try:
                if time.time() - path.stat().st_mtime > older_than_seconds:
                    path.unlink()
                    removed += 1
            # Another process has kept or discarded it meanwhile.
            except FileNotFoundError:
                continue
        return removed


class SpooledFile:
    """One arriving object; what `keep` does is the store's own."""

    def __init__(self, spool: Spool) -> None:
        self.path = spool.new_path()
        self.size = 0
        self._room = spool.room
        self._digest = hashlib.sha256()
        self._look_at = _LOOK_EVERY
        self._written_back = 0
        try:
            # Unbuffered: the pieces are large, and a second copy of them would cost more than the system calls.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb", buffering=0)
        except OSError as error:
            raise unusable(error) from None

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Append a piece; see `service.objects.contract.Incoming`."""
        view = memoryview(piece)
        try:
            # Without a buffer, one call may write only a part.
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise unusable(error) from None
        self._digest.update(piece)
        self.size += len(piece)
        if self.size - self._written_back >= _WRITE_BACK_EVERY:
            begin_writeback(self._file.fileno(), self._written_back, self.size - self._written_back)
            self._written_back = self.size
        if self.size >= self._look_at:
            self._look_at = self.size + _LOOK_EVERY
            self._room.require()

    def discard(self) -> None:
        """Remove what arrived; without effect on what was kept."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()
