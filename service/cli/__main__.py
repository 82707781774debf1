"""``python -m service.cli``: the `auscult` command as a child process of `auscult up`."""

import ctypes
import os
import signal
import sys

from service.cli import main

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Ask for SIGTERM when the supervisor is killed, so that no orphan keeps its port."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() == 1:  # it was killed before we asked
            sys.exit(1)


_die_with_parent()
main()
