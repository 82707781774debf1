"""Admit one instance: store its bytes as they arrive, identify it, register it, wake a worker."""

import time
from dataclasses import dataclass

from service.dicom.contexts import is_image_class
from service.dicom.final_report import evidence_of_final_report
from service.dicom.identity import identify, is_valid_uid
from service.dicom.part10 import file_head
from service.ledger.admission import Admission, Arrival, ArrivalKind, Receipt, Registered
from service.objects import Incoming, ObjectStore
from service.operations.wake import Task, Waker
from service.settings import Settings
from service.vocabulary.errors import (
    AuscultError,
    ContradictsSopClass,
    ContradictsStudy,
    InvalidUid,
    NotDicom,
    ObjectTooLarge,
)
from service.vocabulary.facts import PrioritySource
from service.vocabulary.identity import Identity
from service.vocabulary.sop_classes import RADIOGRAPHS
from service.vocabulary.states import Priority
from service.vocabulary.uids import is_own_uid


@dataclass(frozen=True)
class AnnouncedInstance:
    """What a request says of the data set that follows it; the UIDs are as sent, valid or not.

    Attributes
    ----------
    calling_ae_title
        Who sends it; of a sender over HTTP the one that the settings give it.
    study_instance_uid
        The study that the request names, as one of STOW-RS may; empty where it names none.
    """

    sop_class_uid: str
    sop_instance_uid: str
    abstract_syntax_uid: str
    transfer_syntax_uid: str
    calling_ae_title: str
    has_high_priority: bool = False
    study_instance_uid: str = ""


class Reception:
    """A data set while it arrives.

    Once it cannot be taken, the rest of it is drained and forgotten: the peer gets a status instead of an abort, the
    association goes on, and memory and disk stay flat.

    Parameters
    ----------
    refusal
        Why it cannot be taken, where that is known before its first byte.
    """

    def __init__(
        self, request: AnnouncedInstance, store: ObjectStore, maximum_bytes: int, refusal: AuscultError | None = None
    ) -> None:
        self.request = request
        self.size = 0
        self.started = time.monotonic()
        self.error: AuscultError | None = None
        #: What the object says it is, once it could be read.
        self.identity: Identity | None = None
        self._maximum_bytes = maximum_bytes
        self._incoming: Incoming | None = None
        self.offset = 0
        # Asked before a byte arrives: what will be refused in any case must not fill the disk first.
        try:
            if refusal is not None:
                raise refusal
            self._begin(store)
        except AuscultError as error:
            self._give_up(error)

    def _begin(self, store: ObjectStore) -> None:
        request = self.request
        for name, uid in (("Class", request.sop_class_uid), ("Instance", request.sop_instance_uid)):
            if not is_valid_uid(uid):
                raise InvalidUid(f"Affected SOP {name} UID is absent or not a valid UID")
        if request.sop_class_uid != request.abstract_syntax_uid:
            raise ContradictsSopClass("Affected SOP Class UID is not that of the presentation context")
        head = file_head(request.sop_class_uid, request.sop_instance_uid, request.transfer_syntax_uid)
        self._incoming = store.begin()
        self.offset = len(head)
        self._incoming.write(head)

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next piece; an error is kept for the answer."""
        self.size += len(piece)
        if self._incoming is None:
            return
        if self.size > self._maximum_bytes:
            self._give_up(ObjectTooLarge(f"the object is larger than {self._maximum_bytes} bytes"))
            return
        try:
            self._incoming.write(piece)
        except AuscultError as error:
            self._give_up(error)

    @property
    def incoming(self) -> Incoming:
        """The bytes at hand.

        Raises
        ------
        AuscultError
            Whatever kept them from being taken.
        """
        if self._incoming is None:
            raise self.error or NotDicom("the request has no data set")
        return self._incoming

    def discard(self) -> None:
        """Remove what arrived, unless it was kept."""
        if self._incoming is not None:
            self._incoming.discard()
            self._incoming = None

    def _give_up(self, error: AuscultError) -> None:
        self.error = error
        self.discard()


class Intake:
    """Admits received objects: from the first byte to the row in the ledger."""

    def __init__(self, settings: Settings, store: ObjectStore, admission: Admission, waker: Waker) -> None:
        self._settings = settings
        self._maximum_bytes = settings.listener.maximum_object_bytes
        self._store = store
        self._admission = admission
        self._waker = waker

    def begin(self, request: AnnouncedInstance, refusal: AuscultError | None = None) -> Reception:
        """Open a reception; it never raises, for the peer sends the data set in any case."""
        return Reception(request, self._store, self._maximum_bytes, refusal)

    def admit(self, reception: Reception) -> Receipt:
        """Make a received object durable; on return its bytes and its row are.

        Raises
        ------
        RefusedObject
            When the object is at fault.
        Unavailable
            When disk or database are.
        """
        try:
            return self._admit(reception)
        finally:
            reception.discard()

    def _admit(self, reception: Reception) -> Receipt:
        request, incoming = reception.request, reception.incoming
        if reception.size == 0:
            raise NotDicom("the data set is empty")
        # Before it is kept: an object that is refused leaves nothing in the store that no row names.
        identity, own_equipment, acquisition = identify(
            incoming.path,
            reception.offset,
            sop_class_uid=request.sop_class_uid,
            sop_instance_uid=request.sop_instance_uid,
            transfer_syntax_uid=request.transfer_syntax_uid,
            maximum_bytes=self._maximum_bytes,
        )
        reception.identity = identity
        if request.study_instance_uid and identity.study_instance_uid != request.study_instance_uid:
            raise ContradictsStudy
        priority, source = self._order_priority(request)
        kind = _kind(request, own_equipment=own_equipment)
        evidence = self._final_evidence(reception) if kind is ArrivalKind.NOT_AN_IMAGE else None
        arrival = Arrival(
            identity=identity,
            transfer_syntax_uid=request.transfer_syntax_uid,
            stored=incoming.keep(),
            calling_ae_title=request.calling_ae_title,
            kind=kind,
            acquisition=acquisition,
            final_evidence=evidence,
            order_priority=priority,
            priority_source=source,
        )
        # The bytes are durable by now (`keep`); with the row committed as well, the sender may be told.
        receipt = self._admission.register(arrival, self._store.holds)
        # Behind the commit: a worker that is woken before it would find nothing, and sleep on.
        if receipt.registered in (Registered.NEW, Registered.NEW_VERSION):
            self._waker.wake(Task.INFER)
        return receipt

    def _final_evidence(self, reception: Reception) -> frozenset[str] | None:
        """Return what a document that may close its study is about; with its bytes still where they arrived."""
        if self._settings.listener.final_reports == "record":
            return None
        request = reception.request
        path, syntax = reception.incoming.path, request.transfer_syntax_uid
        return evidence_of_final_report(path, reception.offset, request.sop_class_uid, syntax, self._maximum_bytes)

    def _order_priority(self, request: AnnouncedInstance) -> tuple[Priority, PrioritySource]:
        """Return how urgent the order is, and who says so: the first that answers."""
        if request.has_high_priority:
            return Priority.STAT, PrioritySource.C_STORE
        mapped = self._settings.worklist.ae_title_priorities.get(request.calling_ae_title)
        if mapped is not None:
            return Priority[mapped.upper()], PrioritySource.AE_TITLE
        return Priority.ROUTINE, PrioritySource.DEFAULT


def _kind(request: AnnouncedInstance, *, own_equipment: bool) -> ArrivalKind:
    # Ours before all else: a heat map of ours is a Secondary Capture of a chest, and must never be analysed.
    if own_equipment or is_own_uid(request.sop_instance_uid):
        return ArrivalKind.OWN
    if request.sop_class_uid in RADIOGRAPHS:
        return ArrivalKind.IMAGE
    return ArrivalKind.OTHER_IMAGE if is_image_class(request.sop_class_uid) else ArrivalKind.NOT_AN_IMAGE
