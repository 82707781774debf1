"""File handles: how many a process has left, and what it means when it has none."""

import errno
import resource
from pathlib import Path

#: The system's errors for want of handles, or of memory for them: what was asked for can be had once another has ended.
OUT_OF_HANDLES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: What a person does about it.
MORE_HANDLES = "raise its limit of open files (`ulimit -n`, LimitNOFILE= of systemd)"


def handles_left() -> int:
    """Return how many files this process may open besides those that are open."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit == resource.RLIM_INFINITY:
        return 1 << 20
    return max(0, limit - sum(1 for _ in Path("/proc/self/fd").iterdir()))
