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
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.settings import Destination, DicomwebSettings, Settings
from service.vocabulary.errors import (
    DeliveryFailed,
    LeaseLost,
    LedgerUnavailable,
    TransientDeliveryFailure,
    Unavailable,
)
from service.vocabulary.states import DeliveryState
from worker.archive import Archive
from worker.batch import Batch
from worker.condition import Condition
from worker.confirmation import Confirmation
from worker.dicomweb import DicomwebArchive
from worker.ladder import Ladder, in_words
from worker.leases import lease_for
from worker.liveness import Activity
from worker.retries import is_given_up, pause_after
from worker.sending import Sending

log = get_logger(__name__)

_BATCH = 16


class Courier:
    """Delivers to one destination over its wire, as over one kept association; used by one thread.

    Parameters
    ----------
    owner
        A name for this courier's leases, unique among all workers.
    stop
        Set by a signal: the object under way is finished, the rest is given back.

    Attributes
    ----------
    activity
        Its line of work, whose progress is watched.
    """

    def __init__(
        self,
        settings: Settings,
        destination: Destination,
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
        self._archive = _archive(settings, destination)
        self._sending = Sending(settings, destination, ledger, store, self._archive, trail, clock)
        self._confirmation = Confirmation(settings, destination, ledger, self._archive, trail, clock)
        self._condition = Condition(f"{destination.name}: nothing is delivered for now")
        self._last_use = clock()
        self.activity = Activity(f"the courier to {destination.name}", partial(self._outbox.any_due, destination.name))
        sending = Ladder(
            name=_uid,
            unavailable=self._untried,
            transient=self._put_off,
            permanent=self._give_up,
            unexpected=lambda row, error: self._put_off(row, _unexpected(error)),
        )
        asking = Ladder(
            name=_uid,
            unavailable=self._untried,
            transient=self._confirmation.put_off,
            permanent=self._confirmation.put_off,
            unexpected=lambda row, error: self._confirmation.put_off(row, _unexpected(error)),
        )
        lease = lease_for(settings.delivery, destination)
        progress, outbox = self.activity.progress, self._outbox
        self._to_send = Batch(sending, outbox.renew, outbox.release, lease, clock, stop, progress)
        self._to_ask_for = Batch(asking, outbox.renew, outbox.release, lease, clock, stop, progress)

    def step(self) -> int:
        """Send and confirm what is due, one batch of each; return how many rows were handled."""
        try:
            handled = self._each(DeliveryState.PENDING, self._to_send, self._send)
            handled += self._each(DeliveryState.SENT, self._to_ask_for, self._confirmation.check)
            # What was confirmed once is looked for again much later.
            handled += self._each(DeliveryState.CONFIRMED, self._to_ask_for, self._confirmation.check)
            self._ask()
        except Exception:
            # Nobody knows for how long store or ledger are away, and an archive has few places for associations.
            self.close()
            raise
        if handled:
            self._last_use = self._clock()
        elif self._clock() - self._last_use > timedelta(seconds=self._settings.idle_release):
            self._archive.close()
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
        self._archive.close()

    def _ask(self) -> None:
        """Ask for the commitment to what the confirmation has put together, in one request."""
        asking = self._confirmation.asking
        try:
            asking.ask()
        except TransientDeliveryFailure as error:
            for row in asking.take():
                with suppress(LeaseLost):
                    self._confirmation.put_off(row, error)
        except Exception:
            self._to_ask_for.give_back(asking.take())
            raise
        finally:
            self.activity.progress()

    def _each(self, state: DeliveryState, batch: Batch[DueDelivery], act: Callable[[DueDelivery], None]) -> int:
        rows = self._outbox.claim(self._owner, self._destination.name, state, _BATCH, batch.lease)
        self.activity.progress()
        try:
            batch.run(rows, act)
        except Unavailable:
            batch.give_back(self._confirmation.asking.take())
            raise
        finally:
            self._sending.save()
            self._confirmation.save()
        return len(rows)

    def _send(self, row: DueDelivery) -> None:
        self._sending.send(row)
        self._condition.good()

    def _untried(self, row: DueDelivery, error: Unavailable) -> None:
        # Whatever is read from the store or written to it comes before the sending. Where the ledger is away, nobody
        # knows: the lease ends by itself.
        if not isinstance(error, LedgerUnavailable):
            self._outbox.release(row)

    def _put_off(self, row: DueDelivery, error: DeliveryFailed) -> None:
        now = self._clock()
        # Most are young enough without a look at whether their study was on hold.
        if is_given_up(row.created_at, now, self._settings) and is_given_up(
            self._outbox.free_since(row), now, self._settings
        ):
            self._give_up(row, error)
            return
        pause = pause_after(error, row.attempts, self._settings, self._destination)
        self._condition.bad(str(error))
        log.debug("%s: %s is put off by %.1f s", self._destination.name, row.sop_instance_uid, pause.total_seconds())
        self._outbox.save_retry(row, now + pause, error.status, str(error))

    def _give_up(self, row: DueDelivery, error: DeliveryFailed) -> None:
        log.error(
            "%s: gave %s up: %s; `auscult retry` sends it again", self._destination.name, row.sop_instance_uid, error
        )
        self._outbox.save_dead(row, error.status, str(error))


def _archive(settings: Settings, destination: Destination) -> Archive:
    if isinstance(destination, DicomwebSettings):
        return DicomwebArchive(destination)
    return DestinationAssociation(destination, settings.calling_ae_title(destination))


def _uid(row: DueDelivery) -> str:
    return row.sop_instance_uid


def _unexpected(error: Exception) -> TransientDeliveryFailure:
    return TransientDeliveryFailure(f"an unexpected error: {in_words(error)}")
