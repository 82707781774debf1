"""Has a process of auscult kill itself, or stand still, at a named step: the product has no hooks for it."""

import functools
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

Moment = Literal["before", "after"]


@dataclass(frozen=True)
class Trap:
    """Where a process may die, by SIGKILL, or hang; it does nothing until it is set.

    Attributes
    ----------
    folder
        Where test and process leave word for each other; a folder for each process.
    steps
        Functions of the product, ``"module:Class.function"``.
    """

    folder: Path
    steps: tuple[str, ...]

    def set(self, step: str, moment: Moment, number: int) -> None:
        """Let the process die before or after the n-th call of a step from now on.

        A claim that comes back with an empty list is not a call.
        """
        (self.folder / "died").unlink(missing_ok=True)
        (self.folder / "new").write_text(f"{step} {moment} {number}")
        (self.folder / "new").rename(self.folder / "set")

    def hold(self, step: str, moment: Moment, number: int) -> None:
        """Let the process stand still there instead, until it is let go."""
        (self.folder / "holds").touch()
        self.set(step, moment, number)

    def let_go(self) -> None:
        """Let a process that stands still go on."""
        (self.folder / "holds").unlink()

    def sprung(self) -> str:
        """Return step, moment, number and process id of the death; FileNotFoundError where there was none."""
        return (self.folder / "died").read_text()

    def lay(self) -> None:
        """Wrap the steps, in the process that may die."""
        for step in self.steps:
            module, _, path = step.partition(":")
            *owners, name = path.split(".")
            owner: Any = functools.reduce(getattr, owners, import_module(module))
            setattr(owner, name, _wrapped(getattr(owner, name), functools.partial(self._pass, _Count(), step)))

    def _pass(self, count: "_Count", step: str, moment: Moment) -> None:
        try:
            wanted = (self.folder / "set").read_text()
        except FileNotFoundError:
            return
        if wanted.split()[:2] == [step, moment] and count.up() == int(wanted.split()[2]):
            (self.folder / "set").rename(self.folder / "died")
            (self.folder / "died").write_text(f"{wanted} {os.getpid()}")
            if (self.folder / "holds").exists():
                while (self.folder / "holds").exists():
                    time.sleep(0.05)
                return
            os.kill(os.getpid(), signal.SIGKILL)


class _Count:
    """Counts calls from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._number = 0

    def up(self) -> int:
        with self._lock:
            self._number += 1
            return self._number


def _wrapped(original: Callable[..., Any], passing: Callable[[Moment], None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*arguments: Any, **options: Any) -> Any:
        passing("before")
        result = original(*arguments, **options)
        if result != []:
            passing("after")
        return result

    return call
