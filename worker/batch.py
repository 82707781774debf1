"""A worker's way through what it claimed: each item in its turn, under a lease that is still its own."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from service.ledger import Taken
from service.process.clock import Clock
from service.vocabulary.errors import LeaseLost, TransientDeliveryFailure, Unavailable
from worker.ladder import Ladder

T = TypeVar("T", bound=Taken)


@dataclass(frozen=True)
class Batch(Generic[T]):
    """The loop of a queue whose items are handled one after the other.

    Attributes
    ----------
    renew
        Begins leases anew; returns what is still held.
    release
        Gives an item back untried.
    stop
        Once set, what has not begun is given back.
    progress
        Called after each item.
    ends_without
        Whether a resource that is away ends the batch: the rest is given back, and the error raised.
    """

    ladder: Ladder[T]
    renew: Callable[[Sequence[T], timedelta], list[T]]
    release: Callable[[T], None]
    lease: timedelta
    clock: Clock
    stop: threading.Event
    progress: Callable[[], None]
    ends_without: bool = True

    def run(self, items: Sequence[T], act: Callable[[T], None]) -> list[Exception]:
        """Handle items that were claimed just now; return what kept some of them from being handled.

        A peer that is away is found out once: to ask it for each item again would take a time-out each.

        Raises
        ------
        Unavailable
            When a resource is away without which no item can be handled; what has not begun is given back.
        """
        since, errors = self.clock(), list[Exception]()
        away: TransientDeliveryFailure | None = None

        def turn(item: T) -> None:
            if away is not None:
                raise away
            # The items before it may have taken longer than its lease: two workers would do the same.
            if not timedelta(0) <= self.clock() - since < self.lease / 3 and not self.renew([item], self.lease):
                raise LeaseLost
            act(item)

        for number, item in enumerate(items, 1):
            if self.stop.is_set():
                self.give_back([item])
                continue
            error = self.ladder.attempt(item, lambda item=item: turn(item))  # type: ignore[misc]
            self.progress()
            if error is None:
                continue
            errors.append(error)
            if isinstance(error, Unavailable) and self.ends_without:
                # Others may have them before this worker does.
                self.give_back(items[number:])
                raise error
            # Without a status no answer came, and the peer is away; with one, it could not take this item.
            if isinstance(error, TransientDeliveryFailure) and error.status is None:
                away = error
        return errors

    def give_back(self, items: Sequence[T]) -> None:
        """Give items back untried; where the ledger is away too, their leases end by themselves."""
        for item in items:
            try:
                self.release(item)
            except LeaseLost:
                continue
            except Unavailable:
                return
