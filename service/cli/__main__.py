"""``python -m service.cli``: the `auscult` command as a child process of `auscult up`."""

import ctypes
import os
import signal
import sys

from service.cli import main
from service.cli.supervisor import PARENT

_PR_SET_PDEATHSIG = 1


def _die_with_supervisor() -> None:
    """Ask for SIGTERM when the supervisor is killed, so that no orphan keeps its port."""
    parent = os.environ.get(PARENT)
    if parent is not None and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        # Killed before we asked? In a container the supervisor itself may be process 1, so 1 alone tells nothing.
        if os.getppid() != int(parent):
            sys.exit(1)


_die_with_supervisor()
main()
