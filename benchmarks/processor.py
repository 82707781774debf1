"""Processor time of processes, read from /proc."""

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds(pid: int) -> float:
    """Return what a process, its living children and those that it waited for have used."""
    return sum(_of(member) for member in (pid, *children(pid)))


def children(pid: int) -> list[int]:
    """Return a process's living children."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in path.read_text().split()]
        except OSError:
            continue
    return found


def load() -> str:
    """Return a sentence on what else the machine does: it moves absolute values several-fold."""
    return f"{os.cpu_count()} cores, on which {os.getloadavg()[1]:.0f} processes or threads ran or waited on average."


def _of(pid: int) -> float:
    try:
        _, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return 0.0
    return sum(map(int, rest.split()[11:15])) / _TICKS
