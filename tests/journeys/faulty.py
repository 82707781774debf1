"""Runs an auscult command in a process that kills itself at a named step, so that the product needs no fault hooks.

``python -m tests.journeys.faulty MODULE:CLASS.FUNCTION before|after NUMBER MARKER COMMAND...``
"""

import functools
import os
import runpy
import signal
import sys
import threading
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Fault:
    """Where a process is to die: by SIGKILL before or after the n-th call of a function.

    Attributes
    ----------
    step
        ``"module:Class.function"``. After: a call that returned nothing (None aside) does not count, so that a desk
        that was asked in vain is not the step.
    marker
        A file that the process makes in the moment before it dies; its absence means that the step was not reached.
    """

    step: str
    moment: Literal["before", "after"]
    marker: Path
    number: int = 1

    def arguments(self) -> list[str]:
        """Return the arguments for this module."""
        return [self.step, self.moment, str(self.number), str(self.marker)]


def install(fault: Fault) -> None:
    """Wrap the function of a fault in this process."""
    module, _, path = fault.step.partition(":")
    *owners, name = path.split(".")
    owner: Any = functools.reduce(getattr, owners, import_module(module))
    original = getattr(owner, name)
    lock, calls = threading.Lock(), 0

    def die_if_due() -> None:
        nonlocal calls
        with lock:
            calls += 1
            if calls == fault.number:
                fault.marker.write_text(f"{os.getpid()} {fault.moment} {fault.step}\n")
                os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(original)
    def wrapped(*arguments: Any, **options: Any) -> Any:
        if fault.moment == "before":
            die_if_due()
        result = original(*arguments, **options)
        if fault.moment == "after" and (result is None or result):
            die_if_due()
        return result

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    step, moment, number, marker, *command = sys.argv[1:]
    install(Fault(step, "before" if moment == "before" else "after", Path(marker), int(number)))
    sys.argv = ["auscult", *command]
    runpy.run_module("service.cli", run_name="__main__")
