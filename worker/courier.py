"""A courier brings reports to one destination: sends, asks whether they are held, tries again with growing pauses."""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from io import BytesIO

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from service.audit import AuditTrail, events
from service.audit.events import Node
from service.dicom.scu import DestinationAssociation
from service.ledger import DueDelivery, Ledger, NewReport
from service.objects import ObjectStore
from service.process.backoff import backoff
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.report import SOP_CLASSES, ReportKind, as_sop_class
from service.settings import DestinationSettings, Settings
from service.vocabulary.errors import (
    AuscultError,
    LeaseLost,
    ObjectDamaged,
    ObjectMissing,
    PermanentDeliveryFailure,
    StoreFull,
    StoreUnavailable,
    TransientDeliveryFailure,
    Unavailable,
)
from service.vocabulary.findings import Outcome
from service.vocabulary.identity import Identity
from service.vocabulary.states import DeliveryState
from worker.confirmation import Confirmation
from worker.leases import lease_for
from worker.liveness import Strand

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
        self._trail = trail
        self._calling_ae_title = settings.calling_ae_title(destination)
        self._settings = settings.delivery
        self._destination = destination
        self._outbox = ledger.outbox
        self._store = store
        self._owner = owner
        self._stop = stop
        self._clock = clock
        self._lease = lease_for(settings.delivery, destination)
        self._association = DestinationAssociation(destination, self._calling_ae_title)
        self._confirmation = Confirmation(settings, destination, ledger, self._association, trail, clock)
        self._last_use = clock()
        self.strand = Strand(f"the courier to {destination.name}", partial(self._outbox.any_due, destination.name))

    def step(self) -> int:
        """Send and confirm what is due, one batch of each; return how many rows were handled."""
        try:
            handled = self._each(DeliveryState.PENDING, self._send)
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
            self._give_back(self._confirmation.unasked())
            raise
        finally:
            self.strand.progress()

    def _each(self, state: DeliveryState, act: Callable[[DueDelivery], None]) -> int:
        rows = self._outbox.claim(self._owner, self._destination.name, state, _BATCH, self._lease)
        unreachable: TransientDeliveryFailure | None = None
        self.strand.progress()
        for number, row in enumerate(rows, 1):
            try:
                unreachable = self._in_turn(row, act, unreachable)
            except LeaseLost:
                log.warning("another worker took %s over", row.sop_instance_uid)
            except Exception:
                # Store or ledger are away: others may have them before this worker does.
                self._give_back([*rows[number:], *self._confirmation.unasked()])
                raise
            self.strand.progress()
        return len(rows)

    def _in_turn(
        self, row: DueDelivery, act: Callable[[DueDelivery], None], unreachable: TransientDeliveryFailure | None
    ) -> TransientDeliveryFailure | None:
        """Handle one row of a batch; return the failure that says that the peer is away."""
        if self._stop.is_set():
            self._outbox.release(row)
        elif unreachable is not None:
            # The peer is away: asking for each row again would hold the others up by a time-out each.
            self._put_off(row, unreachable)
        else:
            # The rows before it may have taken longer than its lease: two workers would send the same report.
            self._outbox.renew(row, self._lease)
            return self._try(row, act)
        return unreachable

    def _give_back(self, rows: Iterable[DueDelivery]) -> None:
        """Give rows back untried; where the ledger is away too, their leases end by themselves."""
        with suppress(Unavailable):
            for row in rows:
                with suppress(LeaseLost):
                    self._outbox.release(row)

    def _try(self, row: DueDelivery, act: Callable[[DueDelivery], None]) -> TransientDeliveryFailure | None:
        """Handle one row; return the failure that says that the peer is away."""
        try:
            act(row)
        except TransientDeliveryFailure as error:
            self._put_off(row, error)
            return error if error.status is None else None
        except (StoreUnavailable, StoreFull):
            # Whatever is read from the store or written to it comes before the sending: the row is untried.
            self._give_back([row])
            raise
        except (LeaseLost, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - a report that cannot be handled must not keep the others back
            reason = str(error) if isinstance(error, AuscultError) else type(error).__name__
            self._put_off(row, TransientDeliveryFailure(f"an unexpected error: {reason}"))
        return None

    def _send(self, row: DueDelivery) -> None:
        if self._outbox.is_called_off(row):
            self._outbox.release(row)
            return
        try:
            dataset = self._built(row)
            if not self._association.accepts(row.sop_class_uid):
                self._replace(row, dataset)
                return
            status = self._association.store(dataset)
        except PermanentDeliveryFailure as error:
            self._give_up(row, error)
            return
        asked = self._destination.confirm != "none"
        confirm_at = self._clock() + timedelta(seconds=self._settings.confirm_after) if asked else None
        detail = None if status == 0 else f"accepted with warning 0x{status:04X}"
        self._outbox.save_sent(row, status, detail, confirm_at)
        self._trail.note(
            events.instances_transferred,
            Node(self._calling_ae_title),
            Node(self._destination.ae_title, self._destination.host),
            _identity(dataset),
            is_new=row.attempts <= 1,
            sop_classes={row.sop_instance_uid: row.sop_class_uid},
        )
        log.info("sent %s to %s: status 0x%04X", row.sop_instance_uid, self._destination.name, status)

    def _built(self, row: DueDelivery) -> Dataset:
        try:
            return dcmread(BytesIO(self._store.read(row.object_key)))
        except (ObjectMissing, ObjectDamaged, InvalidDicomError):
            raise PermanentDeliveryFailure("the report's bytes are missing from the object store, or damaged") from None

    def _replace(self, row: DueDelivery, dataset: Dataset) -> None:
        """Fall back to the next SOP class of the same report that the destination accepts."""
        for sop_class_uid in SOP_CLASSES if row.kind == ReportKind.MEASUREMENT_SR.value else ():
            if self._association.accepts(sop_class_uid):
                variant = as_sop_class(dataset, sop_class_uid)
                self._outbox.replace(
                    row,
                    NewReport(
                        kind=row.kind,
                        outcome=Outcome(row.outcome),
                        sop_class_uid=variant.sop_class_uid,
                        sop_instance_uid=variant.sop_instance_uid,
                        series_instance_uid=variant.series_instance_uid,
                        object_key=self._store.put(variant.encoded()).key,
                        destinations=(self._destination.name,),
                    ),
                    self._store.holds,
                )
                return
        raise PermanentDeliveryFailure("the destination accepts no SOP class of this report")

    def _put_off(self, row: DueDelivery, error: TransientDeliveryFailure) -> None:
        now = self._clock()
        if now - row.created_at > timedelta(seconds=self._settings.give_up_after):
            self._give_up(row, error)
            return
        pause = backoff(row.attempts, self._settings.first_retry, self._settings.longest_retry)
        log.warning("%s: %s is put off by %.1f s: %s", self._destination.name, row.sop_instance_uid, pause, error)
        self._outbox.save_retry(row, now + timedelta(seconds=pause), error.status, str(error))

    def _give_up(self, row: DueDelivery, error: TransientDeliveryFailure | PermanentDeliveryFailure) -> None:
        log.error(
            "%s: gave %s up: %s; `auscult retry` sends it again", self._destination.name, row.sop_instance_uid, error
        )
        self._outbox.save_dead(row, error.status, str(error))


def _identity(dataset: Dataset) -> Identity:
    """Return whose report it is, for the audit trail."""
    return Identity(
        sop_class_uid=str(dataset.SOPClassUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        patient_id=str(dataset.get("PatientID", "")),
        patient_name=str(dataset.get("PatientName", "")),
        accession_number=str(dataset.get("AccessionNumber", "")),
    )
