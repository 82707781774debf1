"""Sends one report to one destination, in a SOP class that it accepts."""

from datetime import timedelta

from pydicom import Dataset
from pydicom.errors import InvalidDicomError

from service.audit import AuditTrail, events
from service.audit.events import Node
from service.dicom.instance_file import InstanceFile
from service.dicom.scu import NO_FIND
from service.ledger import DueDelivery, Ledger, NewReport, SentObject
from service.objects import ObjectStore
from service.process.clock import Clock
from service.process.log import get_logger
from service.report import as_sop_class
from service.settings import Destination, Settings
from service.vocabulary.errors import ObjectDamaged, ObjectMissing, PermanentDeliveryFailure
from service.vocabulary.findings import Outcome
from service.vocabulary.identity import Identity
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.sop_classes import STUDY_ROOT_FIND
from worker.archive import Archive
from worker.together import Together

log = get_logger(__name__)


class Sending:
    """Sends over a courier's wire; used by its thread."""

    def __init__(
        self,
        settings: Settings,
        destination: Destination,
        ledger: Ledger,
        store: ObjectStore,
        archive: Archive,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._settings = settings.delivery
        self._calling_ae_title = settings.calling_ae_title(destination)
        self._destination = destination
        self._outbox = ledger.outbox
        self._store = store
        self._archive = archive
        self._trail = trail
        self._clock = clock
        self._sent: Together[tuple[SentObject, Dataset]] = Together(self._save, clock)

    def send(self, row: DueDelivery) -> None:
        """Send one object, or let the row carry a variant of it that the destination accepts.

        That it was sent is in the ledger when `save` has returned, or an object about another image was sent.

        Raises
        ------
        TransientDeliveryFailure, PermanentDeliveryFailure
            When the destination does not take it, for now or for good.
        Unavailable
            When the store or the ledger is away.
        """
        self._sent.begin(row.instance_id)
        if self._outbox.is_called_off(row):
            self._outbox.release(row)
            return
        instance = self._built(row)
        if not self._archive.accepts(row.sop_class_uid):
            self._replace(row, instance.dataset())
            return
        status = self._archive.store(instance)
        self._sent.add((self._taken(row, status), instance.header))

    def save(self) -> None:
        """Record what was sent."""
        self._sent.save()

    def _taken(self, row: DueDelivery, status: int) -> SentObject:
        confirm = self._destination.confirm
        return SentObject(
            row,
            status,
            detail=None if status == 0 else f"accepted with warning 0x{status:04X}",
            confirm_at=None if confirm == "none" else self._clock() + timedelta(seconds=self._settings.confirm_after),
            unconfirmable=NO_FIND if confirm == "find" and self._archive.lacks(STUDY_ROOT_FIND) else None,
        )

    def _save(self, sent: list[tuple[SentObject, Dataset]]) -> None:
        lost = self._outbox.save_sent([item for item, _ in sent])
        for item, header in sent:
            row = item.delivery
            if row in lost:
                log.warning("%s was settled or taken over meanwhile", row.sop_instance_uid)
                continue
            self._trail.note(
                events.instances_transferred,
                Node(self._calling_ae_title),
                Node(*self._destination.audited),
                _identity(header),
                is_new=row.attempts <= 1,
                sop_classes={row.sop_instance_uid: row.sop_class_uid},
            )
            log.info("sent %s to %s: status 0x%04X", row.sop_instance_uid, self._destination.name, item.status)

    def _built(self, row: DueDelivery) -> InstanceFile:
        try:
            return InstanceFile.read(self._store.read(row.object_key))
        except (ObjectMissing, ObjectDamaged, InvalidDicomError):
            raise PermanentDeliveryFailure("the report's bytes are missing from the object store, or damaged") from None

    def _replace(self, row: DueDelivery, dataset: Dataset) -> None:
        """Fall back to the next SOP class of the same report that the destination accepts."""
        kind = ReportKind(row.kind)
        first, *others = kind.sop_classes
        for sop_class_uid in others if row.sop_class_uid == first else ():
            if self._archive.accepts(sop_class_uid):
                variant = as_sop_class(kind, dataset, sop_class_uid)
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


def _identity(header: Dataset) -> Identity:
    """Return whose report it is, for the audit trail."""
    return Identity(
        sop_class_uid=str(header.SOPClassUID),
        sop_instance_uid=str(header.SOPInstanceUID),
        study_instance_uid=str(header.StudyInstanceUID),
        series_instance_uid=str(header.SeriesInstanceUID),
        patient_id=str(header.get("PatientID", "")),
        patient_name=str(header.get("PatientName", "")),
        accession_number=str(header.get("AccessionNumber", "")),
    )
