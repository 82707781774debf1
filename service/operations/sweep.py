"""The sweep: wakes workers again for what a crash or a broker lost, and clears away what a crash left behind."""

import socket
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from service.ledger import Ledger
from service.objects import ObjectStore
from service.operations.wake import Task, Waker
from service.process.clock import WATCH
from service.process.log import get_logger
from service.settings import SweepSettings

log = get_logger(__name__)


@dataclass(frozen=True)
class Swept:
    """What one sweep did: the tasks that it woke, and how many half-received files it removed."""

    woken: tuple[Task, ...]
    removed: int


@dataclass(frozen=True)
class Sweep:
    """Looks at the ledger and the store; repeats what is needed, rights what a clock has mistimed, adds counts up.

    Attributes
    ----------
    keep_turnarounds, keep_orders
        For how long the lengths of waits are kept, and what was heard of orders.
    receivers, give_up_after
        Who is told by messages, and for how long others' wait for one to come back.
    """

    settings: SweepSettings
    ledger: Ledger
    store: ObjectStore
    waker: Waker
    keep_turnarounds: timedelta
    keep_orders: timedelta
    receivers: Collection[str]
    give_up_after: timedelta

    def once(self) -> Swept:
        """Sweep once.

        Raises
        ------
        LedgerUnavailable, StoreUnavailable
            When the ledger or the store cannot be read.
        """
        steps = WATCH.take()
        if steps:
            self.ledger.timekeeping.note(steps, socket.gethostname())
        righted = self.ledger.timekeeping.rewind()
        if steps or righted:
            log.warning("%s; %d leases and pauses were righted", self.ledger.timekeeping.view(), righted)
        self.ledger.counts.put_together()
        self.ledger.turnarounds.forget(self.keep_turnarounds)
        self.ledger.orders.forget(self.keep_orders)
        self.ledger.work_item_outbox.forget()
        if ended := self.ledger.work_items.end_abandoned():
            log.warning("%d claims of readings ended: nothing was heard of their workstations", ended)
        if dropped := self.ledger.unaddressed.drop(self.receivers, self.give_up_after):
            log.warning("%d messages were dropped: the settings do not name their receivers any more", dropped)
        woken = []
        if self.ledger.analysis.any_due():
            woken.append(Task.INFER)
        if self.ledger.reporting.any_due() or self.ledger.outbox.any_due():
            woken.append(Task.DELIVER)
        for task in woken:
            self.waker.wake(task)
        return Swept(tuple(woken), self.store.remove_incomplete(self.settings.incomplete_after))
