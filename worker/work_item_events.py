"""Tells a workstation, on associations that we open, what became of the work items that it subscribed to."""

import threading
from datetime import timedelta
from functools import partial

from pydicom import Dataset

from service.dicom.work_items.content import event_information, labels_of, work_item
from service.dicom.work_items.matching import matches
from service.dicom.work_items.telling import EventAssociation
from service.ledger import DueWorkItemEvent, Ledger
from service.process.backoff import backoff
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.settings import PeerSettings, Settings
from service.vocabulary.errors import DeliveryFailed, LedgerUnavailable, TransientDeliveryFailure, Unavailable
from worker.batch import Batch
from worker.ladder import Ladder, in_words
from worker.leases import lease_for
from worker.liveness import Activity

log = get_logger(__name__)

_BATCH = 16


class WorkItemEvents:
    """The events to one subscriber; used by one thread.

    Attributes
    ----------
    activity
        Its line of work, whose progress is watched.
    """

    def __init__(
        self, settings: Settings, peer: PeerSettings, ledger: Ledger, owner: str, clock: Clock = utc_now
    ) -> None:
        self._settings = settings
        self._peer = peer
        self._title = peer.ae_title.strip()
        self._work_items, self._outbox = ledger.work_items, ledger.work_item_outbox
        self._owner = owner
        self._clock = clock
        self._association = EventAssociation(peer, settings.calling_ae_title(peer))
        self.activity = Activity(f"the events to {peer.ae_title}", partial(self._outbox.any_due, self._title))
        self._batch = Batch(
            Ladder(
                name=lambda _: f"an event to {peer.ae_title}",
                unavailable=self._untried,
                transient=self._put_off,
                unexpected=self._unexpected,
            ),
            self._outbox.renew,
            self._outbox.release,
            lease_for(settings.delivery, peer),
            clock,
            threading.Event(),
            self.activity.progress,
        )

    def step(self) -> int:
        """Tell what is due over one association; return how many events were handled."""
        rows = self._outbox.claim(self._owner, self._title, _BATCH, self._batch.lease)
        self.activity.progress()
        try:
            self._batch.run(rows, self._tell)
        finally:
            self._association.close()
        return len(rows)

    def pause(self, longest: float) -> float:
        """Return the seconds until it is looked again."""
        return longest

    def close(self) -> None:
        """Nothing is kept open between two rounds."""

    def _tell(self, row: DueWorkItemEvent) -> None:
        view = self._work_items.find(row.sop_instance_uid)
        if view is not None and view.study.instances:
            item = work_item(view, labels_of(self._settings.work_items))
            wanted = not row.matching or any(matches(Dataset.from_json(dict(keys)), item) for keys in row.matching)
            if wanted:
                said = event_information(row, item)
                self._association.tell(row.sop_instance_uid, row.event, said)
                log.info("told %s of work item %s: %s", self._title, row.sop_instance_uid, row.state)
        self._outbox.settle(row)

    def _untried(self, row: DueWorkItemEvent, error: Unavailable) -> None:
        if not isinstance(error, LedgerUnavailable):
            self._outbox.release(row)

    def _unexpected(self, row: DueWorkItemEvent, error: Exception) -> None:
        self._put_off(row, TransientDeliveryFailure(f"an unexpected error: {in_words(error)}"))

    def _put_off(self, row: DueWorkItemEvent, error: DeliveryFailed) -> None:
        settings, now = self._settings.delivery, self._clock()
        if now - row.occurred_at > timedelta(seconds=settings.give_up_after):
            log.error("%s was not told of work item %s: %s", self._title, row.sop_instance_uid, error)
            self._outbox.settle(row)
            return
        pause = backoff(row.attempts, settings.first_retry, settings.longest_retry)
        log.warning("an event to %s is put off by %.1f s: %s", self._title, pause, error)
        self._outbox.save_retry(row, now + timedelta(seconds=pause), str(error))
