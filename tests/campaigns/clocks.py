"""Clocks that can be set, one for each host of a campaign: libfaketime, in the server that its processes fork from.

The first module that this server imports, for it mends `time.sleep` before anybody keeps it under another name.
"""

import os
import select
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

LIBRARY = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
#: Only the clock that people read is set, as on a machine; it is looked up once a second.
_VARIABLES = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}

if "faketime" in os.environ.get("LD_PRELOAD", ""):
    # Version 0.9.10 refuses the call that Python sleeps by: clock_nanosleep until a moment of the steady clock.
    time.sleep = lambda seconds: select.select([], [], [], float(seconds))  # type: ignore[assignment]


def begin_fork_server() -> None:
    """Begin the server that a campaign's processes fork from, with clocks that can be set; it must be the first."""
    os.environ.update(_VARIABLES, LD_PRELOAD=str(LIBRARY))
    try:
        forkserver.ensure_running()
    finally:
        for name in ("LD_PRELOAD", *_VARIABLES):
            with suppress(KeyError):
                del os.environ[name]


@dataclass(frozen=True)
class Clock:
    """A host's clock, which differs from this machine's by what a file says."""

    file: Path

    @property
    def variables(self) -> dict[str, str]:
        """What a process of the host finds in its environment."""
        return {**_VARIABLES, "FAKETIME_TIMESTAMP_FILE": str(self.file)}

    def set(self, ahead_s: float) -> None:
        """Have it differ by so many seconds."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{ahead_s:+.0f}\n")
        new.replace(self.file)
