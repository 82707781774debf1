"""What the listener does with storage commitment: takes peers' requests, and destinations' answers to ours."""

import time
from collections.abc import Sequence
from datetime import timedelta
from io import BytesIO
from typing import Any, cast

from pydicom import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT
from pynetdicom.dsutils import encode

from service.dicom.acceptor.contract import Oversized, Peer
from service.dicom.commitment.holdings import Holdings, judge
from service.dicom.commitment.messages import (
    REQUEST,
    WELL_KNOWN_INSTANCE,
    InvalidMessage,
    TooLarge,
    answer,
    parse_answer,
    parse_request,
)
from service.ledger import Commitments, DueCommitment, Ledger
from service.objects import ObjectStore
from service.operations.wake import Task, Waker
from service.process.clock import utc_now
from service.process.log import get_logger
from service.settings import Settings
from service.vocabulary.errors import LeaseLost, TooManyWaiting, Unavailable
from service.vocabulary.sop_classes import STORAGE_COMMITMENT

log = get_logger(__name__)

# Statuses of PS3.7 Annex C.
_SUCCESS = 0x0000
_NO_SUCH_SOP_INSTANCE = 0x0112
_INVALID_ARGUMENT = 0x0115
_NO_SUCH_SOP_CLASS = 0x0118
_NO_SUCH_ACTION = 0x0123
_RESOURCE_LIMITATION = 0x0213

#: Message ID of our request on a peer's association; each association carries one at a time.
_MESSAGE_ID = 1
#: Most requests of an association that wait for their answers on it.
_MOST_HERE = 100


class CommitmentService:
    """The listener's handlers for N-ACTION and N-EVENT-REPORT.

    Parameters
    ----------
    owner
        A name for this process's leases.
    """

    def __init__(self, settings: Settings, ledger: Ledger, store: ObjectStore, waker: Waker, owner: str) -> None:
        self.requests = ledger.commitment_requests
        self.store = store
        self.waker = waker
        self.owner = owner
        self.patience = settings.listener.commitment_patience
        self.lease = timedelta(seconds=settings.delivery.lease)
        self._commitments = ledger.commitments
        self._peers = frozenset(peer.ae_title.strip() for peer in settings.peers)

    def requested(self, event: evt.Event) -> tuple[int, None]:
        """Record a request; on success it is durable, and its answer will come."""
        request, peer = cast(N_ACTION, event.request), cast(Peer, event.assoc)
        title = peer.calling_ae_title
        if (status := _wrong_target(request.RequestedSOPClassUID, request.RequestedSOPInstanceUID)) is not None:
            return status, None
        if request.ActionTypeID != REQUEST:
            return _NO_SUCH_ACTION, None
        if isinstance(request.ActionInformation, Oversized) or len(_siblings(peer)) >= _MOST_HERE:
            log.warning("storage commitment for %s refused: it asks for too much at once", ascii(title))
            return _RESOURCE_LIMITATION, None
        try:
            transaction_uid, references = parse_request(event.action_information)
            # Another look only after the answer on this association had its chance.
            answer_at = utc_now() + timedelta(seconds=2 * self.patience)
            number = self.requests.register(title, transaction_uid, references, answer_at, self._peers)
        except (Unavailable, TooManyWaiting, TooLarge) as error:
            log.warning("storage commitment for %s cannot be recorded: %s", ascii(title), error)
            return _RESOURCE_LIMITATION, None
        except Exception as error:  # noqa: BLE001 - pydicom raises whatever a broken data set leads it to
            return _invalid("request for storage commitment", title, error), None
        # Durable before the response: whatever becomes of the association, the delivery worker finds it and answers.
        peer.outgoing.append(_AnswerHere(self, peer, event.context.context_id, number))
        log.info("storage commitment for %d instances asked by %s", len(references), ascii(title))
        return _SUCCESS, None

    def answered(self, event: evt.Event) -> tuple[int, None]:
        """Record a destination's answer to ours."""
        return take_answer(event, self._commitments, self.waker), None


def take_answer(event: evt.Event, commitments: Commitments, waker: Waker | None = None) -> int:
    """Record a destination's answer, from whatever association it came on; return the status of the response."""
    request = cast(N_EVENT_REPORT, event.request)
    if (status := _wrong_target(request.AffectedSOPClassUID, request.AffectedSOPInstanceUID)) is not None:
        return status
    if isinstance(request.EventInformation, Oversized):
        return _RESOURCE_LIMITATION
    # On an association that we opened, the peer is the acceptor.
    association = event.assoc
    title = association.acceptor.ae_title if association.is_requestor else cast(Peer, association).calling_ae_title
    peer = str(title).strip()
    try:
        said = parse_answer(event.event_information)
        answered = commitments.answer(said.transaction_uid, said.held, said.failed, peer)
    except Unavailable as error:
        log.warning("the storage commitment of %s cannot be recorded: %s", ascii(peer), error)
        return _RESOURCE_LIMITATION
    except Exception as error:  # noqa: BLE001 - pydicom raises whatever a broken data set leads it to
        return _invalid("answer to a storage commitment", peer, error)
    if answered is None:
        return _invalid("answer to a storage commitment", peer, InvalidMessage("no transaction of ours has its UID"))
    log.info("%s commits to %d objects, and not to %d", ascii(peer), answered.confirmed, answered.failed)
    if answered.failed and waker is not None:
        waker.wake(Task.DELIVER)
    return _SUCCESS


def _wrong_target(sop_class_uid: UID | None, sop_instance_uid: UID | None) -> int | None:
    if sop_class_uid != STORAGE_COMMITMENT:
        return _NO_SUCH_SOP_CLASS
    return None if sop_instance_uid == WELL_KNOWN_INSTANCE else _NO_SUCH_SOP_INSTANCE


def _invalid(what: str, peer: str, error: Exception) -> int:
    # Any other error's text may quote the data set.
    reason = str(error) if isinstance(error, InvalidMessage) else type(error).__name__
    log.warning("%s from %s refused: %s", what, ascii(peer), reason)
    return _INVALID_ARGUMENT


class _AnswerHere:
    """Answers a request on the association that brought it, if the peer keeps that open; hands it over if not."""

    def __init__(self, service: CommitmentService, peer: Peer, context_id: int, number: int) -> None:
        self._service = service
        self._peer = peer
        self._context_id = context_id
        self._number = number
        self._at: float | None = time.monotonic() + service.patience
        self._asked: tuple[DueCommitment, Holdings] | None = None

    def look(self) -> None:
        """Send the answer when the peer has had the time to release and did not."""
        # One at a time: the Message ID of our requests is always the same.
        busy = any(other is not self and other.is_asking for other in _siblings(self._peer))
        if self._at is None or time.monotonic() < self._at or busy:
            return
        self._at = None
        service = self._service
        try:
            due = service.requests.claim_one(service.owner, self._number, service.lease)
            if due is None:
                self._finish()
                return
            verdict = judge(due, service.requests, service.store)
        except Unavailable as error:
            log.warning("storage commitment waits: %s", error)
            return
        self._asked = due, verdict
        self._send(due, verdict)

    @property
    def is_asking(self) -> bool:
        """Whether a response of the peer is awaited."""
        return self._asked is not None

    def _send(self, due: DueCommitment, verdict: Holdings) -> None:
        event_type, information = answer(due.transaction_uid, verdict.held, verdict.failed)
        request = N_EVENT_REPORT()
        request.MessageID = _MESSAGE_ID
        request.AffectedSOPClassUID = UID(STORAGE_COMMITMENT)
        request.AffectedSOPInstanceUID = UID(WELL_KNOWN_INSTANCE)
        request.EventTypeID = event_type
        _, syntax = self._peer.transfer_syntaxes[self._context_id]
        request.EventInformation = BytesIO(_encoded(information, explicit=syntax == ExplicitVRLittleEndian))
        self._peer.send(request, self._context_id)

    def hear(self, response: Any) -> None:
        """Record that the peer took the answer."""
        if self._asked is None or not isinstance(response, N_EVENT_REPORT):
            return
        due, verdict = self._asked
        self._asked = None
        try:
            if response.Status == _SUCCESS:
                self._service.requests.save_answered(due, str(verdict))
                self._finish()
            else:
                status = response.Status
                said = "no status" if status is None else f"status 0x{status:04X}"
                log.warning("a peer answered N-EVENT-REPORT with %s", said)
        except (LeaseLost, Unavailable) as error:
            log.warning("storage commitment: %s", error)

    def _finish(self) -> None:
        self._peer.outgoing = [request for request in self._peer.outgoing if request is not self]

    def end(self) -> None:
        """Leave the answer to a delivery worker: this association is over, and the peer does not have it."""
        try:
            self._service.requests.hand_over(self._service.owner, self._number)
        except Unavailable as error:
            log.warning("storage commitment waits: %s", error)
        self._service.waker.wake(Task.DELIVER)


def _siblings(peer: Peer) -> Sequence["_AnswerHere"]:
    return [request for request in peer.outgoing if isinstance(request, _AnswerHere)]


def _encoded(dataset: Dataset, *, explicit: bool) -> bytes:
    encoded = encode(dataset, not explicit, True)
    if encoded is None:
        raise ValueError("an answer cannot be encoded")  # it holds UIDs that were checked, and numbers
    return encoded
