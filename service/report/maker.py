"""Asks highdicom for reports, in a process that is there for no longer than it is needed.

highdicom and the concepts that it brings are needed for the first report of each shape, and a worker that delivers runs
for months. So a process of its own imports them (`service.report.making`), which ends when nothing more is asked of it.
A file follows from its recipe alone: whatever becomes of that process, the next one makes the same.
"""

import subprocess
import sys
import threading
import weakref
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from service.report.installed import INSTALLED
from service.vocabulary.errors import ReportNotMade, Unavailable
from service.vocabulary.report_kinds import ReportKind

_TRIES = 2
"""The process may end, for it has waited long enough, just when it is asked."""


class Maker:
    """Has files made by highdicom; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: _Process | None = None

    def made(self, kind: ReportKind, recipe: Any) -> bytes:
        """Return the file that highdicom makes of a recipe.

        Raises
        ------
        ReportNotMade
            When it makes none of it.
        Unavailable
            When its process ends at each try, or other versions are installed by now.
        """
        with self._lock:
            for _ in range(_TRIES):
                self._started = self._started or _Process()
                try:
                    answer = self._started.answer(kind, recipe)
                except BaseException as error:
                    # An answer that nobody took would be taken for the next one: for another patient's report.
                    self._started.end()
                    self._started = None
                    if isinstance(error, OSError | EOFError):
                        continue
                    raise
                if isinstance(answer, bytes):
                    return answer
                if answer is None:
                    raise Unavailable("another version was installed while this process runs; start it again")
                raise ReportNotMade(f"highdicom makes no {kind} of this content ({answer})")
        raise Unavailable(f"the process that makes a {kind} ended each time before it was made")


class _Process:
    """One process of `service.report.making`; it ends with this object at the latest."""

    def __init__(self) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-m", "service.report.making", str(number)],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                # What it would print as it fails may quote an attribute.
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        self.end = weakref.finalize(self, _end, process, self._connection)

    def answer(self, kind: ReportKind, recipe: Any) -> bytes | str | None:
        """Return a file, or the name of the error in its place; None where other versions would make it."""
        self._connection.send((INSTALLED, kind, recipe))
        answer: bytes | str | None = self._connection.recv()
        return answer


def _end(process: subprocess.Popen[bytes], connection: "Connection[Any, Any]") -> None:
    connection.close()
    process.kill()
    process.wait()
