"""Watches a worker's progress: one that gets nowhere while work waits for it ends itself, and is started again.

Progress is watched, not the process: a consumer that its broker has forgotten, a thread that waits for ever and a
library that never returns all look alive to the system.
"""

import faulthandler
import os
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from service.process.heartbeat import Heartbeat
from service.process.log import get_logger
from service.vocabulary.errors import AuscultError

log = get_logger(__name__)

#: Seconds between two looks, at most.
_EVERY_S = 5.0
#: The exit status of a worker that got nowhere: EX_TEMPFAIL of sysexits.h.
STALLED = 75


class Activity:
    """One line of work in a worker that can hang by itself: the inference, the building, a courier.

    Parameters
    ----------
    name
        What the log calls it.
    waits
        Tells whether work waits that this activity could take.
    """

    def __init__(self, name: str, waits: Callable[[], bool]) -> None:
        self.name = name
        self._waits = waits
        self._since = time.monotonic()

    def progress(self) -> None:
        """Say that a piece of work is done, or that there was none."""
        self._since = time.monotonic()

    def stalled_for(self) -> float:
        """Return for how many seconds work has waited while this activity got nowhere."""
        try:
            waits = self._waits()
        except AuscultError:
            waits = False  # the ledger is away: nobody can get on, and a restart would not help
        if not waits:
            self.progress()
        return time.monotonic() - self._since


class Liveness:
    """Watches a worker's activities from a thread of its own, from `__enter__` to `__exit__`.

    A worker that holds Python's lock stops this thread too: then the C library's own clock, which every look winds up
    again, ends the process.

    Parameters
    ----------
    stalled_after
        Seconds without progress, while work waits, after which the worker ends.
    end
        Ends the process without waiting for anything in it.
    """

    def __init__(
        self,
        activities: Sequence[Activity],
        heartbeat: Heartbeat,
        stalled_after: float,
        end: Callable[[int], None] = os._exit,
    ) -> None:
        self._activities = activities
        self._heartbeat = heartbeat
        self._stalled_after = stalled_after
        self._end = end
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="liveness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        faulthandler.cancel_dump_traceback_later()
        self._heartbeat.stop()

    def _watch(self) -> None:
        while not self._ended.wait(min(_EVERY_S, self._stalled_after / 4)):
            # Armed anew at each look: should this thread never come round again, nobody else could end the process.
            faulthandler.dump_traceback_later(2 * self._stalled_after, exit=True)
            for activity in self._activities:
                silent = activity.stalled_for()
                if silent > self._stalled_after:
                    log.error(
                        "%s got nowhere for %.0f s while work waits; this worker ends, to be started again",
                        activity.name,
                        silent,
                    )
                    self._end(STALLED)
                    return
            # Behind the looks: a heartbeat says that the work goes on, not only that a thread does.
            self._heartbeat.beat()
