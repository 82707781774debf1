"""Whether a destination holds what it took: by storage commitment, by query, or by query where that fails."""

from datetime import timedelta
from functools import partial

from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind  # type: ignore[attr-defined]

from service.audit import AuditTrail, events
from service.audit.events import Node
from service.dicom.scu import DUPLICATE_INSTANCE, NO_FIND, instance_query
from service.ledger import DueDelivery, Ledger, Outbox
from service.process.backoff import backoff
from service.process.clock import Clock
from service.process.log import get_logger
from service.settings import Destination, Settings
from service.vocabulary.commitment import FINAL_REASONS, FailureReason
from service.vocabulary.errors import DeliveryFailed, TransientDeliveryFailure
from worker.archive import Archive
from worker.circuit_breaker import CircuitBreaker
from worker.commitment_asking import CommitmentAsking
from worker.condition import Condition
from worker.together import Together

log = get_logger(__name__)

#: An archive may list an object some time after it took it.
_MISSING_AFTER = timedelta(minutes=5)
_LONGEST_PAUSE = timedelta(minutes=1)
#: A destination that fails to say is asked so often at least, whatever the clock says of the time that has passed.
_LEAST_QUESTIONS = 5
#: Questions that take as long with the pauses between them, where the clock does not say.
_MISSING_QUESTIONS = 16
#: Questions, a minute apart, before what was confirmed once is taken for lost: an archive may be at its own repair.
_LOST_QUESTIONS = 6


class Confirmation:
    """Asks one destination; used by its courier's thread.

    Parameters
    ----------
    archive
        The courier's own, to be asked by C-FIND or QIDO-RS.

    Attributes
    ----------
    asking
        What is asked for by storage commitment.
    """

    def __init__(
        self,
        settings: Settings,
        destination: Destination,
        ledger: Ledger,
        archive: Archive,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._settings = settings.delivery
        self._destination = destination
        self._calling_ae_title = settings.calling_ae_title(destination)
        self._outbox = ledger.outbox
        self._archive = archive
        self._trail = trail
        self._clock = clock
        self._condition = Condition(f"{destination.name}: what it took cannot be confirmed for now")
        self.asking = CommitmentAsking(settings, destination, ledger, clock)
        # Open while the destination is not to be asked by C-FIND: it fails to say, for one object as for another.
        self._trouble = ""
        self._circuit = CircuitBreaker(clock, self._settings.first_retry, self._settings.longest_retry)
        self._held: Together[DueDelivery] = Together(partial(_save_held, self._outbox), clock)

    def check(self, row: DueDelivery) -> None:
        """Find out whether a row's object is held, or put it aside for the next request.

        Raises
        ------
        TransientDeliveryFailure
            When the destination cannot be reached or answers with a failure.
        """
        reason = row.answers[-1] if row.answers else None
        if reason == FailureReason.NO_SUCH_INSTANCE:
            self._missing(row)
        elif reason == FailureReason.CLASS_INSTANCE_CONFLICT:
            self._outbox.save_dead(row, None, "the destination holds an object of another SOP class under its UID")
        elif (
            self.asking.is_offered
            and reason not in FINAL_REASONS
            and len(row.answers) < self._settings.commitment_requests
        ):
            self.asking.add(row)
        elif self._circuit.is_open():
            self._save_retry(row, None, self._trouble)
        else:
            self._find(row)

    def put_off(self, row: DueDelivery, error: DeliveryFailed) -> None:
        """Ask again later, each time after a longer pause, or leave the row as sent in the end."""
        self._trouble = str(error)
        self._condition.bad(self._trouble)
        if not self._circuit.is_open():
            self._circuit.fail()
        patience = timedelta(seconds=self._settings.confirm_give_up_after)
        if self._age(row) > patience and row.questions >= _LEAST_QUESTIONS:
            log.info("%s: nobody can say whether %s is held", self._destination.name, row.sop_instance_uid)
            self._outbox.save_unconfirmable(row, f"it could not be asked whether it holds it: {error}")
        else:
            self._save_retry(row, error.status, self._trouble)

    def _save_retry(self, row: DueDelivery, status: int | None, detail: str) -> None:
        pause = timedelta(seconds=backoff(row.questions, self._settings.first_retry, self._settings.longest_retry))
        self._outbox.save_retry(row, self._clock() + max(pause, self._circuit.left()), status, detail)

    def _find(self, row: DueDelivery) -> None:
        if not self._archive.accepts(StudyRootQueryRetrieveInformationModelFind):
            self._outbox.save_unconfirmable(row, NO_FIND)
            return
        self._held.begin(row.instance_id)
        try:
            held = self._archive.holds(*_uids(row))
        except TransientDeliveryFailure as error:
            self._note_query(row, why=str(error))
            raise
        self._note_query(row)
        self._condition.good()
        self._circuit.succeed()
        if held:
            self._held.add(row)
        elif self._is_missing(row):
            self._missing(row)
        else:
            self._outbox.save_retry(row, self._clock() + self._pause(row), None, "not held yet")

    def save(self) -> None:
        """Record what the destination said it holds."""
        self._held.save()

    def _is_missing(self, row: DueDelivery) -> bool:
        """Return whether an object that the destination does not list has had its time."""
        if row.is_confirmed:
            return row.questions >= _LOST_QUESTIONS
        return self._age(row) > _MISSING_AFTER or row.questions >= _MISSING_QUESTIONS

    def _pause(self, row: DueDelivery) -> timedelta:
        if row.is_confirmed:
            return _LONGEST_PAUSE
        first, longest = self._settings.confirm_after, _LONGEST_PAUSE.total_seconds()
        grown = timedelta(seconds=backoff(row.questions, first, max(first, longest)))
        return min(_LONGEST_PAUSE, max(grown, self._age(row)))

    def _age(self, row: DueDelivery) -> timedelta:
        """Return how long ago a row was sent; a clock that was set back may say less than nothing."""
        return self._clock() - (row.sent_at or row.created_at)

    def _missing(self, row: DueDelivery) -> None:
        """Send again what the destination says it does not hold; growing pauses keep the two from going in a circle."""
        now, name = self._clock(), self._destination.name
        if row.status == DUPLICATE_INSTANCE:
            # To send it again would get the same answer.
            why = f"it says that it has the object (0x{DUPLICATE_INSTANCE:04X}), and that it does not"
            self._outbox.save_unconfirmable(row, why)
            return
        if now - row.created_at > timedelta(seconds=self._settings.give_up_after) and not row.is_confirmed:
            log.error("%s: gave %s up: it takes the object and does not hold it", name, row.sop_instance_uid)
            self._outbox.save_dead(row, None, "the destination takes the object and does not hold it")
            return
        pause = backoff(row.attempts, self._settings.first_retry, self._settings.longest_retry)
        log.warning("%s does not hold %s; it is sent again in %.1f s", name, row.sop_instance_uid, pause)
        self._outbox.save_missing(row, now + timedelta(seconds=pause))

    def _note_query(self, row: DueDelivery, why: str = "") -> None:
        self._trail.note(
            events.query,
            Node(self._calling_ae_title),
            Node(*self._destination.audited),
            sop_class_uid=StudyRootQueryRetrieveInformationModelFind,
            identifier=encode(instance_query(*_uids(row)), is_implicit_vr=True, is_little_endian=True) or b"",
            transfer_syntax_uid=ImplicitVRLittleEndian,
            why=why,
        )

    def close(self) -> None:
        """Release every association that was opened to ask."""
        self.asking.close()


def _save_held(outbox: Outbox, rows: list[DueDelivery]) -> None:
    for row in outbox.save_confirmed(rows):
        log.warning("%s was settled or taken over meanwhile", row.sop_instance_uid)


def _uids(row: DueDelivery) -> tuple[str, str, str]:
    return row.study_instance_uid, row.series_instance_uid, row.sop_instance_uid
