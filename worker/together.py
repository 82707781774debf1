"""What becomes of objects about one image goes into the ledger in one commit (ADR 0025)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from service.process.clock import Clock

T = TypeVar("T")

#: Nothing that has happened is unsaved for longer, but for the one thing that is under way.
_LONGEST = timedelta(seconds=1)


class Together(Generic[T]):
    """Puts results aside until there is nothing more of their image; used by one thread.

    Parameters
    ----------
    save
        Saves results about one image in one commit.
    """

    def __init__(self, save: Callable[[list[T]], None], clock: Clock) -> None:
        self._save = save
        self._clock = clock
        self._results: list[T] = []
        self._image = 0
        self._since: datetime = clock()

    def begin(self, image: int) -> None:
        """Say that what comes next is about an image; what was put aside about another one is saved first."""
        if image != self._image:
            self.save()
        if not self._results:
            self._image, self._since = image, self._clock()

    def add(self, result: T) -> None:
        """Put a result aside, or save it with the others where that took long."""
        self._results.append(result)
        # A clock that was set back says nothing about how long it took.
        if not timedelta(0) <= self._clock() - self._since < _LONGEST:
            self.save()

    def save(self) -> None:
        """Save what was put aside."""
        results, self._results = self._results, []
        if results:
            self._save(results)
