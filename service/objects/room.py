"""The free space of a disk, and the reserve that is kept of it for the ledger and for reports."""

import errno
import os
from pathlib import Path

from service.process.handles import MORE_HANDLES
from service.process.log import get_logger
from service.vocabulary.errors import StoreFull, StoreUnavailable

log = get_logger(__name__)

#: What our reports leave of the reserve: a ledger that cannot write settles nothing, and then nothing makes room.
_LEFT_BY_REPORTS = 0.5
#: Free space, in reserves, at which an episode counts as over; a disk at its edge would fill the log otherwise.
_OVER = 1.05


class Room:
    """Refuses what would eat into the reserve, and says so once for each episode.

    Parameters
    ----------
    folder
        Any folder on the disk.
    reserve_bytes
        Free space that received objects leave untouched.
    """

    def __init__(self, folder: Path, reserve_bytes: int = 0) -> None:
        self._folder = folder
        self.reserve_bytes = reserve_bytes
        self._is_full = False

    def free_bytes(self) -> int:
        """Return the free space in bytes.

        Raises
        ------
        StoreUnavailable
            When the disk does not say.
        """
        disk = self._disk()
        return disk.f_bavail * disk.f_frsize

    def used_share(self) -> float:
        """Return how much of the disk is used, 0 to 1, of what an ordinary user could use."""
        disk = self._disk()
        used = disk.f_blocks - disk.f_bfree
        return used / max(used + disk.f_bavail, 1)

    def require(self) -> None:
        """Raise where a received object would eat into the reserve.

        Raises
        ------
        StoreFull
            When the free space is below the reserve.
        """
        free = self.free_bytes()
        if free >= self.reserve_bytes:
            self._recovered(free)
            return
        if not self._is_full:
            self._is_full = True
            log.error(
                "the disk has %d MiB free, less than the reserve of %d MiB: objects are refused with 0xA700 until "
                "there is room; see docs/howto/survive-a-full-disk.md",
                free >> 20,
                self.reserve_bytes >> 20,
            )
        raise StoreFull

    def require_for_report(self, size: int) -> None:
        """Raise where a report of a size in bytes would eat into the ledger's part of the reserve.

        Raises
        ------
        StoreFull
            When it would.
        """
        if self.free_bytes() - size < self.reserve_bytes * _LEFT_BY_REPORTS:
            raise StoreFull

    def _recovered(self, free: int) -> None:
        if self._is_full and free >= self.reserve_bytes * _OVER:
            self._is_full = False
            log.warning("the disk has %d MiB free again: objects are taken", free >> 20)

    def _disk(self) -> os.statvfs_result:
        try:
            return os.statvfs(self._folder)
        except OSError as error:
            raise unusable(error) from None


def unusable(error: OSError) -> StoreUnavailable:
    """Return what is said of a disk that gave an error."""
    remedy = MORE_HANDLES if error.errno == errno.EMFILE else "check the disk of `data_dir`"
    return StoreUnavailable(f"the object store cannot be used: {error.strerror}; {remedy}")
