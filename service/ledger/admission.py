"""Admission: one commit puts a received object into the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.ledger import arrival_rows
from service.ledger.acquisitions import machine_number
from service.ledger.arrival_rows import Situation, Version
from service.ledger.group_commit import GroupCommit
from service.ledger.kept_counts import SILENT, listed
from service.ledger.keys import Holds, assumed, name_objects
from service.ledger.order_locks import lock_arrival
from service.ledger.orders import settle_arrival
from service.ledger.readings import Closed, came_after, close, first_image
from service.ledger.records import InstanceRecord, ReportRecord, StudyRecord
from service.ledger.rows import raise_priority, record, settle_patient
from service.ledger.shadow import is_shadowed
from service.ledger.telling import Subscriptions
from service.ledger.work_item_events import note_study
from service.objects import StoredObject
from service.process.clock import Clock
from service.vocabulary.acquisition import UNKNOWN, Acquisition
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import CloseSource, EventKind, MessageEvent, PrioritySource, Reason
from service.vocabulary.figures import OUT_OF_SCOPE, RECEIVED, TO_READ, Tally
from service.vocabulary.identity import Identity
from service.vocabulary.orders import accession_of
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority, State


class ArrivalKind(StrEnum):
    """What the header says the object is."""

    IMAGE = "image"
    """A worker will look at it."""
    NOT_AN_IMAGE = "not an image"
    """Kept and recorded; there is nothing to analyse."""
    OTHER_IMAGE = "other image"
    """An image of a SOP class that is never a radiograph's; kept and recorded."""
    OWN = "own"
    """One of our own reports, come back."""


_STATES = {
    ArrivalKind.IMAGE: State.RECEIVED,
    ArrivalKind.NOT_AN_IMAGE: State.OUT_OF_SCOPE,
    ArrivalKind.OTHER_IMAGE: State.OUT_OF_SCOPE,
    ArrivalKind.OWN: State.OWN,
}
#: Why an object that no worker looks at is out of scope.
_REASONS = {ArrivalKind.NOT_AN_IMAGE: Reason.NOT_AN_IMAGE.value, ArrivalKind.OTHER_IMAGE: Reason.MODALITY.value}


class Registered(StrEnum):
    """What the ledger made of an arrival."""

    NEW = "new"
    NEW_VERSION = "new version"
    """The instance is known with other bytes; a worker decides whether they differ in what matters."""
    KNOWN = "known"
    """The same bytes were received before."""
    OTHER_IMAGE = "other image"
    """An image of a SOP class that is never a radiograph's; kept and recorded."""
    OWN = "own"


@dataclass(frozen=True)
class Arrival:
    """A received object whose bytes are durable.

    Attributes
    ----------
    final_evidence
        SOP Instance UIDs that a person's final report names, if any; None of whatever is no such report.
    acquisition
        On which machine, and how, an image was made; of whatever is none, it is not kept.
    """

    identity: Identity
    transfer_syntax_uid: str
    stored: StoredObject
    calling_ae_title: str
    kind: ArrivalKind = ArrivalKind.IMAGE
    order_priority: Priority = Priority.ROUTINE
    priority_source: PrioritySource = PrioritySource.DEFAULT
    final_evidence: frozenset[str] | None = None
    acquisition: Acquisition = UNKNOWN


@dataclass(frozen=True)
class Receipt:
    """The ledger's answer: what it made of the arrival, and whether it put the study on hold or closed it."""

    registered: Registered
    held: bool = False
    closed: Closed | None = None


class Admission:
    """Registers arrivals; idempotent for the same bytes under the same UID."""

    def __init__(
        self, engine: Engine, order: ReadingOrder, clock: Clock, tally: Tally, subscriptions: Subscriptions
    ) -> None:
        self._commits = GroupCommit(engine, self._register)
        self._subscriptions = subscriptions
        self._order = order
        self._clock = clock
        self._tally = tally

    def register(self, arrival: Arrival, holds: Holds = assumed) -> Receipt:
        """Put an arrival into the ledger; durable on return.

        Parameters
        ----------
        holds
            Tells whether the store holds an object: retention may have removed the same bytes a moment ago.

        Raises
        ------
        LedgerUnavailable
            When the database cannot take it.
        StoreUnavailable
            When the store does not hold its bytes any more.
        """
        receipt = self._commits.write((arrival, holds))
        # Behind the commit: what is rolled back was not received.
        self._count(arrival, receipt)
        return receipt

    def _count(self, arrival: Arrival, receipt: Receipt) -> None:
        self._tally.count(RECEIVED, receipt.registered.value)
        if receipt.closed is not None and receipt.closed.waited is not None:
            self._tally.turn(TO_READ, receipt.closed.waited, receipt.closed.source, self._clock())
        if arrival.kind in _REASONS and receipt.registered is not Registered.KNOWN:
            self._tally.count(OUT_OF_SCOPE, _REASONS[arrival.kind])

    def _register(self, session: Session, arrived: tuple[Arrival, Holds]) -> Receipt:
        arrival, holds = arrived
        now, identity = self._clock(), arrival.identity
        # The key before any row: the sweeper locks it too, and knows nothing of rows that are not written yet.
        restored = name_objects(session, [arrival.stored.key], holds)
        # Also where nothing of the study changes: of two images that arrive at once, one must see the other's patient.
        lock_arrival(session, identity.study_instance_uid, accession_of(identity.accession_number))
        is_image = arrival.kind is ArrivalKind.IMAGE
        machine_id = machine_number(session, arrival.acquisition.machine, now) if is_image else None
        found = arrival_rows.look(session, identity, arrival.calling_ae_title, machine_id)
        versions = arrival_rows.versions_of(session, identity.sop_instance_uid)
        known = _same_bytes([row for row in versions if (row.shadow_id is None) == (found.shadow_id is None)], arrival)
        if known is not None:
            how = EventDetail.RESTORED_BYTES if restored else EventDetail.IDENTICAL_BYTES
            said = how.of(title=arrival.calling_ae_title)
            arrival_rows.write_line(session, known.id, known.state, now, EventKind.RECEIVED_AGAIN, said)
            return Receipt(Registered.OWN if arrival.kind is ArrivalKind.OWN else Registered.KNOWN)
        # A study that only images in shadow are of is news with the first one that is not.
        is_news = found.shadow_id is None and not found.is_told
        if is_news and found.study_id is not None:
            _begin_anew(session, session.get_one(StudyRecord, found.study_id), now, self._order)
            found = found._replace(closed_at=None)
        version = versions[0].version + 1 if versions else 1
        study_id, instance_id = self._write(session, arrival, found, version, machine_id, now)
        if is_news and found.is_subscribed:
            note_study(session, session.get_one(StudyRecord, study_id), now)
        # An object of ours that comes back says nothing new of the study: neither its patient nor its priority.
        if arrival.kind is ArrivalKind.OWN:
            _mark_returned(session, arrival, now)
            return Receipt(Registered.OWN)
        # The list that people read, its order and its holds are not touched by what is in shadow.
        if found.shadow_id is not None or (version == 1 and _says_nothing(arrival, found)):
            return Receipt(Registered.NEW if version == 1 else Registered.NEW_VERSION)
        study, instance = session.get_one(StudyRecord, study_id), session.get_one(InstanceRecord, instance_id)
        return self._follow(session, arrival, study, instance, now)

    def _write(
        self, session: Session, arrival: Arrival, found: Situation, version: int, machine_id: int | None, now: datetime
    ) -> tuple[int, int]:
        """Write what each arrival makes, whatever else comes of it; return the numbers of study and instance."""
        identity, study_id = arrival.identity, found.study_id
        if study_id is None:
            study_id = arrival_rows.write_study(session, identity.study_instance_uid, now)
        values = _columns(arrival, now, self._order) | {
            "study_id": study_id,
            "version": version,
            "shadow_id": found.shadow_id,
        }
        instance_id = arrival_rows.write_image(session, values, found)
        said = EventDetail.FROM.of(title=arrival.calling_ae_title)
        arrival_rows.write_line(session, instance_id, values["state"], now, EventKind.RECEIVED, said)
        if machine_id is not None:
            arrival_rows.write_acquisition(session, instance_id, arrival.acquisition, machine_id)
        is_known = found.has_accession or not accession_of(identity.accession_number)
        # Of what is in shadow, and of our own, no order is.
        if not is_known and found.shadow_id is None and arrival.kind is not ArrivalKind.OWN:
            arrival_rows.write_accession(session, study_id, accession_of(identity.accession_number))
        return study_id, instance_id

    def _follow(
        self, session: Session, arrival: Arrival, study: StudyRecord, instance: InstanceRecord, now: datetime
    ) -> Receipt:
        """Do what an arrival means for its study: its priority, its patient, its orders and its reading."""
        is_first_version = instance.version == 1
        if arrival.kind is ArrivalKind.IMAGE and is_first_version:
            # Of another version a worker finds out whether it is news.
            came_after(session, study, instance, now)
        if raise_priority(study, arrival.order_priority, arrival.priority_source, self._order):
            self._subscriptions.tell(session, MessageEvent.PRIORITY_RAISED, study, instance, now)
        held = settle_patient(session, study, instance, now)
        heard = settle_arrival(session, study, instance, now, self._order, self._subscriptions)
        evidence = arrival.final_evidence
        closed = heard if evidence is None else self._close(session, study, evidence, now) or heard
        return Receipt(Registered.NEW if is_first_version else Registered.NEW_VERSION, held, closed)

    def _close(self, session: Session, study: StudyRecord, evidence: frozenset[str], now: datetime) -> Closed | None:
        """Close the study of a final report, if it stands on the list, is one patient's, and is what was reported.

        One that was read before stays as it is: nothing tells whether the report knows what came after.
        """
        if study.closed_at is not None or study.held_reason is not None or not listed(session, study):
            return None
        if evidence and evidence.isdisjoint(_in_force(session, study)):
            return None
        return close(session, study, CloseSource.FINAL_REPORT, "", now, self._subscriptions)


def _columns(arrival: Arrival, now: datetime, order: ReadingOrder) -> dict[str, Any]:
    """Return what a row says of an arrival by itself."""
    identity = arrival.identity
    return {
        "sop_instance_uid": identity.sop_instance_uid,
        "series_instance_uid": identity.series_instance_uid,
        "sop_class_uid": identity.sop_class_uid,
        "transfer_syntax_uid": arrival.transfer_syntax_uid,
        "identity": identity.attributes(),
        "identity_digest": identity.digest(),
        "patient_digest": identity.patient_digest(),
        "object_key": arrival.stored.key,
        "object_size": arrival.stored.size,
        "calling_ae_title": arrival.calling_ae_title,
        "order_priority": int(arrival.order_priority),
        "state": _STATES[arrival.kind].value,
        "reason": _REASONS.get(arrival.kind),
        "received_at": now,
        "rank_at": order.rank(now, arrival.order_priority),
    }


def _says_nothing(arrival: Arrival, found: Situation) -> bool:
    """Return whether the first version of an image changes nothing of its study, and nobody waits for it.

    What it says of the patient is not news where an image in force has said the same: whether that contradicts another
    was settled when it came.
    """
    is_no_news = found.study_id is None or found.names_patient(arrival.identity)
    return (
        is_no_news
        and found.closed_at is None
        and not found.is_awaited
        and arrival.order_priority <= (found.priority or Priority.ROUTINE)
        and arrival.final_evidence is None
    )


def _same_bytes(versions: Sequence[Version], arrival: Arrival) -> Version | None:
    """Return the version that these bytes are, looking back no further than the version that is in force."""
    for row in versions:
        if row.object_key == arrival.stored.key:
            return row
        if row.state != State.DUPLICATE.value:
            return None
    return None


def _begin_anew(session: Session, study: StudyRecord, now: datetime, order: ReadingOrder) -> None:
    """Let a study stand on the list as one that comes now: neither its place nor a reading is from its shadow."""
    study.first_received_at, study.reading_rank_at = now, order.rank(now, Priority(study.priority))
    if study.closed_at is not None:
        record(session, first_image(session, study), now, EventKind.STUDY_REOPENED)
        study.closed_at = study.closed_by = study.close_source = study.came_after_at = None
    session.flush()  # the kept counts see one change at a time


def _in_force(session: Session, study: StudyRecord) -> set[str]:
    """Return the SOP Instance UIDs of what we hold of a study, without our own objects and what is in shadow."""
    uids = select(InstanceRecord.sop_instance_uid).where(InstanceRecord.study_id == study.id, ~is_shadowed())
    return set(session.scalars(uids.where(InstanceRecord.state.not_in(SILENT))))


def _mark_returned(session: Session, arrival: Arrival, now: datetime) -> None:
    report = session.scalars(
        select(ReportRecord).where(ReportRecord.sop_instance_uid == arrival.identity.sop_instance_uid)
    ).one_or_none()
    if report is not None and report.returned_at is None:
        report.returned_at = now
