"""Whether a destination holds what it took: by storage commitment, by C-FIND, or by C-FIND where the other fails."""

from contextlib import suppress
from datetime import timedelta

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from service.audit import AuditTrail, events
from service.audit.events import Node
from service.dicom.commitment.associations import AskingAssociation
from service.dicom.commitment.listening import take_answer
from service.dicom.commitment.messages import new_transaction_uid
from service.dicom.scu import DestinationAssociation, instance_query
from service.ledger import DueDelivery, Ledger
from service.process.backoff import backoff
from service.process.clock import Clock
from service.process.log import get_logger
from service.settings import DestinationSettings, Settings
from service.vocabulary.commitment import FINAL_REASONS, FailureReason, Reference
from service.vocabulary.errors import LeaseLost, PermanentDeliveryFailure, TransientDeliveryFailure

log = get_logger(__name__)

_MISSING_AFTER = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(minutes=1)


class Confirmation:
    """Asks one destination; used by its courier's thread.

    With storage commitment, several objects go into one request. Its answer comes on the request's association or on
    one that the destination opens to the listener. Either way it goes into the ledger: what is held is CONFIRMED there,
    and what is not becomes due again.

    Parameters
    ----------
    association
        The courier's own, for C-FIND.
    """

    def __init__(
        self,
        settings: Settings,
        destination: DestinationSettings,
        ledger: Ledger,
        association: DestinationAssociation,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._settings = settings.delivery
        self._destination = destination
        self._calling_ae_title = settings.calling_ae_title(destination)
        self._ledger = ledger
        self._association = association
        self._trail = trail
        self._clock = clock
        self._commits = destination.confirm == "commitment"
        self._unasked: list[DueDelivery] = []
        self._asking: list[AskingAssociation] = []

    def check(self, row: DueDelivery) -> None:
        """Find out whether a row's object is held, or put it aside for the next request.

        Raises
        ------
        TransientDeliveryFailure
            When the destination cannot be reached or answers with a failure.
        """
        reason = row.answers[-1] if row.answers else None
        if reason == FailureReason.NO_SUCH_INSTANCE:
            self._send_again(row)
        elif reason == FailureReason.CLASS_INSTANCE_CONFLICT:
            self._ledger.outbox.save_dead(
                row, None, "the destination holds an object of another SOP class under its UID"
            )
        elif self._commits and reason not in FINAL_REASONS and len(row.answers) < self._settings.commitment_requests:
            self._unasked.append(row)
        else:
            self._find(row)

    def unasked(self) -> list[DueDelivery]:
        """Return the rows that were put aside and are still held under their leases; they are the caller's now."""
        rows, self._unasked = self._unasked, []
        return rows

    def ask(self) -> None:
        """Ask the destination to commit to what was put aside.

        Raises
        ------
        TransientDeliveryFailure
            When the destination cannot be reached; nothing was asked then.
        Unavailable
            When the ledger is away; what was put aside is still.
        """
        self._close_what_is_done()
        if not self._unasked:
            return
        association = AskingAssociation(self._destination, self._calling_ae_title, self._take)
        try:
            association.establish()
        except PermanentDeliveryFailure as error:
            association.close()
            self._do_without(str(error))
            return
        self._asking.append(association)
        self._ask_on(association)

    def _ask_on(self, association: AskingAssociation) -> None:
        uid, name = new_transaction_uid(), self._destination.name
        ask_again_at = self._clock() + timedelta(seconds=self._settings.commitment_timeout)
        rows = self._ledger.commitments.open(uid, name, self._unasked, ask_again_at)
        # Looking at the others and opening the association took its time; what is lost holds no other row up.
        for row in self.unasked():
            if row not in rows:
                log.warning("%s was settled or taken over meanwhile", row.sop_instance_uid)
        if not rows:
            return
        try:
            association.ask(uid, [Reference(row.sop_class_uid, row.sop_instance_uid) for row in rows])
        except TransientDeliveryFailure as error:
            pause = backoff(len(rows[0].answers) + 1, self._settings.first_retry, self._settings.longest_retry)
            log.warning("%s: storage commitment is put off by %.1f s: %s", name, pause, error)
            self._ledger.commitments.postpone(uid, self._clock() + timedelta(seconds=pause), str(error))
        else:
            log.info("asked %s to commit to %d objects", name, len(rows))

    def _do_without(self, why: str) -> None:
        """Ask by C-FIND from now on."""
        log.warning("%s: %s; it is asked by C-FIND", self._destination.name, why)
        self._commits = False
        for row in self.unasked():
            with suppress(LeaseLost):
                self._ledger.outbox.save_retry(row, self._clock(), None, f"{why}; it is asked by C-FIND")

    def _take(self, event: evt.Event) -> int:
        return take_answer(event, self._ledger.commitments)

    def _find(self, row: DueDelivery) -> None:
        if not self._association.accepts(StudyRootQueryRetrieveInformationModelFind):
            self._ledger.outbox.save_unconfirmable(row, 'the destination offers no C-FIND; set its `confirm` to "none"')
            return
        try:
            held = self._association.holds(*_uids(row))
        except TransientDeliveryFailure as error:
            self._note_query(row, why=str(error))
            raise
        self._note_query(row)
        now = self._clock()
        age = now - (row.sent_at or row.created_at)
        if held:
            self._ledger.outbox.save_confirmed(row)
        elif age > _MISSING_AFTER:
            log.warning("%s does not hold %s; it is sent again", self._destination.name, row.sop_instance_uid)
            self._ledger.outbox.save_missing(row, now)
        else:
            pause = min(_LONGEST_PAUSE, max(timedelta(seconds=self._settings.confirm_after), age))
            self._ledger.outbox.save_retry(row, now + pause, None, "not held yet")

    def _note_query(self, row: DueDelivery, why: str = "") -> None:
        self._trail.note(
            events.query,
            Node(self._calling_ae_title),
            Node(self._destination.ae_title, self._destination.host),
            sop_class_uid=StudyRootQueryRetrieveInformationModelFind,
            identifier=encode(instance_query(*_uids(row)), is_implicit_vr=True, is_little_endian=True) or b"",
            transfer_syntax_uid=ImplicitVRLittleEndian,
            why=why,
        )

    def _send_again(self, row: DueDelivery) -> None:
        """Send what the destination says it does not hold; growing pauses keep the two from running in a circle."""
        now, name = self._clock(), self._destination.name
        if now - row.created_at > timedelta(seconds=self._settings.give_up_after):
            log.error("%s: gave %s up: it takes the object and does not hold it", name, row.sop_instance_uid)
            self._ledger.outbox.save_dead(row, None, "the destination takes the object and does not commit to it")
            return
        pause = backoff(row.attempts, self._settings.first_retry, self._settings.longest_retry)
        log.warning("%s does not hold %s; it is sent again in %.1f s", name, row.sop_instance_uid, pause)
        self._ledger.outbox.save_missing(row, now + timedelta(seconds=pause))

    def _close_what_is_done(self) -> None:
        done = [item for item in self._asking if item.is_done(self._settings.commitment_linger)]
        self._asking = [item for item in self._asking if item not in done]
        for association in done:
            association.close()

    def close(self) -> None:
        """Release every association; an answer that has not come finds the listener."""
        for association in self._asking:
            association.close()
        self._asking = []


def _uids(row: DueDelivery) -> tuple[str, str, str]:
    return row.study_instance_uid, row.series_instance_uid, row.sop_instance_uid
