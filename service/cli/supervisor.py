"""Runs the parts of auscult as child processes of one command, and starts again what dies."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from service.process.log import get_logger
from service.vocabulary.errors import SettingsInvalid

log = get_logger(__name__)

Part = tuple[str, ...]


def parts(deliveries: int = 1, *, hears_hl7: bool = False) -> tuple[Part, ...]:
    """Return what one machine runs, each in a process of its own, with so many that deliver."""
    listeners: tuple[Part, ...] = (("listen",), ("listen-hl7",)) if hears_hl7 else (("listen",),)
    return (*listeners, ("work", "infer"), *[("work", "deliver")] * deliveries, ("web",), ("sweep",))


#: The variable that tells a child its supervisor's process id.
PARENT = "_AUSCULT_SUPERVISOR"
_PAUSE = 2.0
_STOP_WITHIN = 30.0


class Supervisor:
    """Keeps child processes running until it is stopped.

    Parameters
    ----------
    parts
        The arguments of the `auscult` command, one tuple for each process; equal ones run beside each other.
    environment
        The children's environment: settings reach them as variables.
    """

    def __init__(self, parts: Sequence[Part], environment: Mapping[str, str]) -> None:
        self._parts = parts
        self._environment = {**environment, PARENT: str(os.getpid())}
        # By their place in `parts`.
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._started: dict[int, float] = {}
        self._restarted: set[int] = set()

    def run(self, stop: threading.Event) -> None:
        """Run the parts until `stop` is set, then end them: SIGTERM, and SIGKILL for what has not ended in time.

        Raises
        ------
        SettingsInvalid
            When a part cannot start as things are: one that has told so at its first start does so at each.
        """
        try:
            while not stop.is_set():
                for place, part in enumerate(self._parts):
                    self._keep(place, part)
                stop.wait(0.2)
        finally:
            self._end()

    def _keep(self, place: int, part: Part) -> None:
        child = self._children.get(place)
        now = time.monotonic()
        if child is not None:
            # A part that dies at once, again and again, is started only every few seconds: its message stays readable.
            if child.poll() == os.EX_CONFIG and place not in self._restarted:
                raise SettingsInvalid(
                    f"`auscult {' '.join(part)}` cannot start; the line above says why. All of it ends"
                )
            if child.poll() is None or now - self._started[place] < _PAUSE:
                return
            self._restarted.add(place)
            log.error("`auscult %s` ended with status %s; it is started again", " ".join(part), child.returncode)
        self._started[place] = now
        self._children[place] = subprocess.Popen(
            [sys.executable, "-m", "service.cli", *part],
            env=self._environment,
            start_new_session=True,  # a terminal's Ctrl-C goes to us alone, and we end them in order
        )

    def _end(self) -> None:
        deadline = time.monotonic() + _STOP_WITHIN
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        for place, child in self._children.items():
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error(
                    "`auscult %s` did not end in time and is killed; nothing acknowledged is lost",
                    " ".join(self._parts[place]),
                )
                child.kill()
                child.wait()
