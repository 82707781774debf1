"""Has Linux begin to write to the disk what has arrived of an object, so that its fsync has less to wait for.

Nothing is durable by it, and where it fails nothing is lost: the fsync is as it was.

References
----------
sync_file_range(2), SYNC_FILE_RANGE_WRITE
"""

import ctypes
from typing import Any

_SYNC_FILE_RANGE_WRITE = 2


def _of_libc() -> Any:
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function


#: None on a system that has no such call.
_sync_file_range = _of_libc()


def begin_writeback(descriptor: int, offset: int, count: int) -> bool:
    """Ask for bytes of a file to be written, without waiting; return whether the kernel has taken it up."""
    return bool(_sync_file_range and _sync_file_range(descriptor, offset, count, _SYNC_FILE_RANGE_WRITE) == 0)
