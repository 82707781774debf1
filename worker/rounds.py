"""A delivery thread's rounds: what is due is done, again and again; no error ends the thread."""

import threading
from typing import Protocol

from service.process.log import get_logger
from service.vocabulary.errors import AuscultError, Unavailable
from worker.liveness import Activity

log = get_logger(__name__)


class Rounds(Protocol):
    """Work that is done whenever some of it is due."""

    activity: Activity

    def step(self) -> int:
        """Do what is due; return how much that was."""

    def pause(self, longest: float) -> float:
        """Return the seconds until more is due, at most `longest`."""

    def close(self) -> None:
        """Let go of what is open."""


def run(rounds: Rounds, due: threading.Event, stop: threading.Event, poll: float) -> None:
    """Deliver until `stop` is set, woken by `due` or by the time of the next attempt."""
    while not stop.is_set():
        due.clear()
        try:
            if rounds.step():
                continue
            pause = rounds.pause(poll)
        except Unavailable as error:
            log.warning("delivery waits: %s", error)
            pause = poll
        except Exception as error:  # noqa: BLE001 - nobody would notice that this thread ended
            log.error("delivery: %s", error if isinstance(error, AuscultError) else type(error).__name__)
            pause = poll
        due.wait(pause)
    try:
        rounds.close()
    except Exception as error:  # noqa: BLE001 - the peer's end of an association is no reason for a traceback
        log.warning("delivery: an association was not released (%s)", type(error).__name__)
