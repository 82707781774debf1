"""Asks a destination to commit to what it took, several objects in one request."""

from contextlib import suppress
from datetime import timedelta

from pynetdicom import evt

from service.dicom.commitment.associations import AskingAssociation
from service.dicom.commitment.listening import take_answer
from service.dicom.commitment.messages import new_transaction_uid
from service.ledger import DueDelivery, Ledger
from service.process.backoff import backoff
from service.process.clock import Clock
from service.process.log import get_logger
from service.settings import Destination, DestinationSettings, Settings
from service.vocabulary.commitment import Reference
from service.vocabulary.errors import LeaseLost, PermanentDeliveryFailure, TransientDeliveryFailure

log = get_logger(__name__)


class CommitmentAsking:
    """Collects what one destination is to be asked for; used by its courier's thread.

    Its answer comes on the request's association or on one that the destination opens to the listener. Either way it
    goes into the ledger: what is held is CONFIRMED there, and what is not becomes due again.
    """

    def __init__(self, settings: Settings, destination: Destination, ledger: Ledger, clock: Clock) -> None:
        self._settings = settings.delivery
        self._name = destination.name
        # Over HTTP there is no such service.
        self._node = destination if isinstance(destination, DestinationSettings) else None
        self._calling_ae_title = settings.calling_ae_title(destination)
        self._ledger = ledger
        self._clock = clock
        self._collected: list[DueDelivery] = []
        self._open: list[AskingAssociation] = []
        #: Whether the destination offers the service.
        self.is_offered = destination.confirm == "commitment"

    def add(self, row: DueDelivery) -> None:
        """Put a row aside for the next request."""
        self._collected.append(row)

    def take(self) -> list[DueDelivery]:
        """Return the rows that were put aside and are still held under their leases; they are the caller's now."""
        rows, self._collected = self._collected, []
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
        if not self._collected or self._node is None:
            return
        association = AskingAssociation(self._node, self._calling_ae_title, self._answered)
        try:
            association.establish()
        except PermanentDeliveryFailure as error:
            association.close()
            self._do_without(str(error))
            return
        self._open.append(association)
        self._ask_on(association)

    def _ask_on(self, association: AskingAssociation) -> None:
        uid, name = new_transaction_uid(), self._name
        ask_again_at = self._clock() + timedelta(seconds=self._settings.commitment_timeout)
        rows = self._ledger.commitments.open(uid, name, self._collected, ask_again_at)
        # Looking at the others and opening the association took its time; what is lost holds no other row up.
        for row in self.take():
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
        """Have it asked by C-FIND from now on."""
        log.warning("%s: %s; it is asked by C-FIND", self._name, why)
        self.is_offered = False
        for row in self.take():
            with suppress(LeaseLost):
                self._ledger.outbox.save_retry(row, self._clock(), None, f"{why}; it is asked by C-FIND")

    def _answered(self, event: evt.Event) -> int:
        return take_answer(event, self._ledger.commitments)

    def _close_what_is_done(self) -> None:
        done = [item for item in self._open if item.is_done(self._settings.commitment_linger)]
        self._open = [item for item in self._open if item not in done]
        for association in done:
            association.close()

    def close(self) -> None:
        """Release every association; an answer that has not come finds the listener."""
        for association in self._open:
            association.close()
        self._open = []
