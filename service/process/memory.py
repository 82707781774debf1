"""What long-lived processes ask of the C library's allocator."""

import ctypes
import sys

#: From glibc's malloc.h: how many arenas threads share at most.
_M_ARENA_MAX = -8
_ARENAS = 1


def bound_arenas() -> None:
    """Let all threads share one heap; call it before the first of them starts.

    glibc gives threads arenas of their own, up to eight for each core, and memory that is free in one is of no use to
    the others: a listener with a thread for each association grows for days before it is level. Python's own lock
    leaves little for the threads to contend for. Another C library is left as it is.
    """
    _ask("mallopt", _M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Give memory that is free back to the system; glibc by itself keeps what lies below anything in use."""
    _ask("malloc_trim", 0)


def _ask(function: str, *arguments: int) -> None:
    if sys.platform == "linux":
        asked = getattr(ctypes.CDLL(None), function, None)
        if asked is not None:
            asked(*arguments)
