"""A courier brings reports to one destination: sends, asks whether they are held, tries again with growing pauses."""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial

from service.audit import AuditTrail
from service.dicom.scu import DestinationAssociation
from service.ledger import DueDelivery, Ledger
from service.objects import ObjectStore
from service.process.backoff import backoff
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.settings import DestinationSettings, Settings
from service.vocabulary.errors import (
    DeliveryFailed,
    LeaseLost,
    LedgerUnavailable,
    TransientDeliveryFailure,
    Unavailable,
)
from service.vocabulary.states import DeliveryState
from worker.batch import Batch
from worker.confirmation import Confirmation
from worker.ladder import Ladder, in_words
from worker.leases import lease_for
from worker.liveness import Strand
from worker.sending import Sending

log = get_logger(__name__)

_BATCH = 16


class Courier:
    """Delivers to one destination over one kept association; used by one thread.

    Parameters
    ----------
    owner
        A name for this courier's leases, unique among all workers.
    stop
        Set by a signal: the object under way is finished, the rest is given back.

    Attributes
    ----------
    strand
        Its line of work, whose progress is watched.
    """

    def __init__(
        self,
        settings: Settings,
        destination: DestinationSettings,
        ledger: Ledger,
        store: ObjectStore,
        owner: str,
        trail: AuditTrail,
        stop: threading.Event,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings.delivery
        self._destination = destination
        self._outbox = ledger.outbox
        self._owner = owner
        self._clock = clock
        calling_ae_title = settings.calling_ae_title(destination)
        self._association = DestinationAssociation(destination, calling_ae_title)
        self._sending = Sending(settings, destination, ledger, store, self._association, trail, clock)
        self._confirmation = Confirmation(settings, destination, ledger, self._association, trail, clock)
        self._last_use = clock()
        self.strand = Strand(f"the courier to {destination.name}", partial(self._outbox.any_due, destination.name))
        self._batch = Batch(
            Ladder(
                name=lambda row: row.sop_instance_uid,
                unavailable=self._untried,
                transient=self._put_off,
                permanent=self._give_up,
                unexpected=self._unexpected,
            ),
            self._outbox.renew,
            self._outbox.release,
            lease_for(settings.delivery, destination),
            clock,
            stop,
            self.strand.progress,
        )

    def step(self) -> int:
        """Send and confirm what is due, one batch of each; return how many rows were handled."""
        try:
            handled = self._each(DeliveryState.PENDING, self._sending.send)
            handled += self._each(DeliveryState.SENT, self._confirmation.check)
            self._ask()
        except Exception:
            # Nobody knows for how long store or ledger are away, and an archive has few places for associations.
            self.close()
            raise
        if handled:
            self._last_use = self._clock()
        elif self._clock() - self._last_use > timedelta(seconds=self._settings.idle_release):
            self._association.close()
        return handled

    def pause(self, longest: float) -> float:
        """Return the seconds until this destination's next row is due, at most `longest`."""
        due = self._outbox.next_due(self._destination.name)
        if due is None:
            return longest
        return min(longest, max(0.05, (due - self._clock()).total_seconds()))

    def close(self) -> None:
        """Release the associations."""
        self._confirmation.close()
        self._association.close()

    def _ask(self) -> None:
        """Ask for the commitment to what the confirmation has put together, in one request."""
        try:
            self._confirmation.ask()
        except TransientDeliveryFailure as error:
            for row in self._confirmation.unasked():
                with suppress(LeaseLost):
                    self._put_off(row, error)
        except Exception:
            self._batch.give_back(self._confirmation.unasked())
            raise
        finally:
            self.strand.progress()

    def _each(self, state: DeliveryState, act: Callable[[DueDelivery], None]) -> int:
        rows = self._outbox.claim(self._owner, self._destination.name, state, _BATCH, self._batch.lease)
        self.strand.progress()
        try:
            self._batch.run(rows, act)
        except Unavailable:
            self._batch.give_back(self._confirmation.unasked())
            raise
        return len(rows)

    def _untried(self, row: DueDelivery, error: Unavailable) -> None:
        # Whatever is read from the store or written to it comes before the sending. Where the ledger is away, nobody
        # knows: the lease ends by itself.
        if not isinstance(error, LedgerUnavailable):
            self._outbox.release(row)

    def _put_off(self, row: DueDelivery, error: DeliveryFailed) -> None:
        now = self._clock()
        if now - row.created_at > timedelta(seconds=self._settings.give_up_after):
            self._give_up(row, error)
            return
        pause = backoff(row.attempts, self._settings.first_retry, self._settings.longest_retry)
        log.warning("%s: %s is put off by %.1f s: %s", self._destination.name, row.sop_instance_uid, pause, error)
        self._outbox.save_retry(row, now + timedelta(seconds=pause), error.status, str(error))

    def _unexpected(self, row: DueDelivery, error: Exception) -> None:
        self._put_off(row, TransientDeliveryFailure(f"an unexpected error: {in_words(error)}"))

    def _give_up(self, row: DueDelivery, error: DeliveryFailed) -> None:
        log.error(
            "%s: gave %s up: %s; `auscult retry` sends it again", self._destination.name, row.sop_instance_uid, error
        )
        self._outbox.save_dead(row, error.status, str(error))
