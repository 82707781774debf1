"""Orders: what a RIS says is kept, and used for the one study that it is of, before its images came or after.

What a message says is used once. Where nothing proves which study or whose it is, it is not used, and the history of
the study that it may mean says why.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.ledger.database import reading, writing
from service.ledger.kept_counts import listed
from service.ledger.leases import LOCK
from service.ledger.order_locks import accessions_of, lock_heard, studies_of, waits_for
from service.ledger.order_matching import problem_of
from service.ledger.order_records import OrderRecord, patient_of, record_of
from service.ledger.readings import Closed, came_after, close, first_image
from service.ledger.records import EventRecord, InstanceRecord, StudyRecord
from service.ledger.rows import current_versions, identity_of, raise_priority, record
from service.ledger.shadow import is_all_in_shadow
from service.ledger.telling import Subscriptions
from service.process.clock import Clock
from service.vocabulary.errors import LedgerUnavailable
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import CloseSource, EventKind, MessageEvent, PrioritySource
from service.vocabulary.figures import TO_READ, Tally
from service.vocabulary.identity import Identity
from service.vocabulary.orders import HeardMessage, OrderEvent, OrderProblem, OrderState, accession_of
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority

_ATTEMPTS = 5


@dataclass(frozen=True)
class Kept:
    """What the ledger made of a message.

    Attributes
    ----------
    is_news
        False for one that was kept before.
    taken_off
        Of each study that it took off the list, the identity of an image.
    """

    is_news: bool
    taken_off: tuple[Identity, ...] = ()


@dataclass(frozen=True)
class _Use:
    """What a use of an order needs, within a transaction of the caller.

    Attributes
    ----------
    arrived
        The image whose arrival is the occasion; None where the message is.
    """

    session: Session
    order: ReadingOrder
    subscriptions: Subscriptions
    at: datetime
    arrived: InstanceRecord | None = None


#: That a study was taken off the list, and who an image of it is of.
_TakenOff = tuple[Closed, Identity]


class Orders:
    """Keeps what is heard of orders, and uses it."""

    def __init__(
        self, engine: Engine, order: ReadingOrder, clock: Clock, tally: Tally, subscriptions: Subscriptions
    ) -> None:
        self._engine = engine
        self._order = order
        self._clock = clock
        self._tally = tally
        self._subscriptions = subscriptions

    def hear(self, message: HeardMessage) -> Kept:
        """Keep what a message says, durably, and use what can be used.

        Raises
        ------
        LedgerUnavailable
            When the database cannot take it; the sender is to send it again.
        """
        for _ in range(_ATTEMPTS):
            try:
                with writing(self._engine) as session:
                    closed = self._hear(session, message)
            except IntegrityError:
                continue  # it came on two connections at once: look again
            for one, _ in closed or ():
                if one.waited is not None:
                    self._tally.turn(TO_READ, one.waited, one.source, self._clock())
            return Kept(closed is not None, tuple(identity for _, identity in closed or ()))
        raise LedgerUnavailable("the database refuses the row time and again; check its integrity")

    def forget(self, keep: timedelta, limit: int = 1000) -> int:
        """Remove what was heard longer ago than is kept, some of it at a time; return how many rows that were."""
        old = select(OrderRecord).where(OrderRecord.heard_at < self._clock() - keep).order_by(OrderRecord.heard_at)
        with reading(self._engine) as session:
            if session.scalars(old.limit(1)).first() is None:
                return 0
        with writing(self._engine) as session:
            rows = session.scalars(old.limit(limit).with_for_update(skip_locked=True)).all()
            for row in rows:
                session.delete(row)  # one by one, so that they are counted
            return len(rows)

    def _hear(self, session: Session, message: HeardMessage) -> list[_TakenOff] | None:
        known = select(OrderRecord.id).where(
            OrderRecord.sender == message.sender,
            OrderRecord.message_id == message.message_id,
            OrderRecord.digest == message.digest,
        )
        if session.scalars(known.limit(1)).first() is not None:
            return None
        use = _Use(session, self._order, self._subscriptions, self._clock())
        lock_heard(session, ((one.study_instance_uid, one.accession_number) for one in message.orders))
        rows = [record_of(message, number, one, use.at) for number, one in enumerate(message.orders)]
        session.add_all(rows)
        session.flush()
        return [closed for row in rows if (closed := _settle(use, row)) is not None]


def settle_arrival(
    session: Session,
    study: StudyRecord,
    instance: InstanceRecord,
    at: datetime,
    order: ReadingOrder,
    subscriptions: Subscriptions,
) -> Closed | None:
    """Use what was heard of a study's orders before an image of it came; the study's row and names are locked.

    Returns
    -------
    Closed or None
        That the study was read already.
    """
    accession = accession_of(identity_of(instance).accession_number)
    session.flush()
    return _settle_all(_Use(session, order, subscriptions, at, instance), study, {accession} if accession else set())


def settle_release(
    session: Session, study: StudyRecord, at: datetime, order: ReadingOrder, subscriptions: Subscriptions
) -> Closed | None:
    """Use what was heard of a study's orders while it was on hold; it was let go, its row and names are locked.

    What is returned is as of `settle_arrival`.
    """
    session.flush()
    return _settle_all(_Use(session, order, subscriptions, at), study, accessions_of(session, study.study_instance_uid))


def _settle_all(use: _Use, study: StudyRecord, accession_numbers: Collection[str]) -> Closed | None:
    """Look again at what was heard of a study, by its names, and not used; return that one study was read."""
    waiting = select(OrderRecord).where(waits_for(study.study_instance_uid, accession_numbers)).order_by(OrderRecord.id)
    settled = [_settle(use, row) for row in use.session.scalars(waiting.with_for_update(**LOCK)).all()]
    return next((found[0] for found in settled if found is not None), None)


def birth_date_of(session: Session, study_id: int, identity: Identity) -> str:
    """Return the birth date that an order of a study gives for an image without one, YYYYMMDD; else empty."""
    if identity.birth_date:
        return ""
    used = select(OrderRecord).where(OrderRecord.study_id == study_id, OrderRecord.state == OrderState.USED.value)
    for row in session.scalars(used.order_by(OrderRecord.id.desc())):
        if row.birth_date and problem_of(patient_of(row), [identity]) is None:
            return row.birth_date
    return ""


def _settle(use: _Use, row: OrderRecord) -> _TakenOff | None:
    """Use an order for the one study that it is of, or say why it is not used."""
    studies = [one for one in _studies(use.session, row) if _can_be_used(use.session, row, one)]
    found = [(study, _problem(use.session, row, study)) for study in studies]
    fitting = [study for study, problem in found if problem is None]
    # One on hold may be meant as well: whose it is, a person has yet to say.
    possible = [study for study, problem in found if problem in (None, OrderProblem.STUDY_HELD)]
    if fitting and len(possible) == 1:
        return _use(use, row, fitting[0])
    for study, problem in found:
        if not fitting or study in possible:
            _refuse(use, row, study, problem or OrderProblem.SEVERAL_STUDIES)
    return None


def _can_be_used(session: Session, row: OrderRecord, study: StudyRecord) -> bool:
    # Until there is an image to read, nothing can be taken off the list. One in shadow does not say whose a study is.
    return not is_all_in_shadow(session, study.id) if _is_order(row) else listed(session, study)


def _is_order(row: OrderRecord) -> bool:
    return row.event == OrderEvent.ORDERED.value


def _studies(session: Session, row: OrderRecord) -> Sequence[StudyRecord]:
    """Return the studies that an order may be of, locked; `service.ledger.order_locks` has done that for most.

    By its Study Instance UID; by its accession number where it has no other, or where all that it may do is to raise:
    modalities choose UIDs of their own, and several studies share an accession number.
    """
    if row.study_instance_uid:
        same = select(StudyRecord).where(StudyRecord.study_instance_uid == row.study_instance_uid)
        studies = session.scalars(same.with_for_update(**LOCK)).all()
        if studies or not _is_order(row):
            return studies
    if not row.accession_number:
        return ()
    of_accession = StudyRecord.id.in_(studies_of(session, row.accession_number))
    found = select(StudyRecord).where(of_accession).order_by(StudyRecord.id)
    return session.scalars(found.with_for_update(**LOCK)).all()


def _problem(session: Session, row: OrderRecord, study: StudyRecord) -> OrderProblem | None:
    patient, identities = patient_of(row), [identity_of(version) for version in current_versions(session, study)]
    problem = problem_of(patient, identities)
    if study.held_reason is not None:
        # Out of the question only where each of its images is another patient's.
        each = [problem_of(patient, [identity]) for identity in identities] or [None]
        return OrderProblem.STUDY_HELD if {None, OrderProblem.NO_PATIENT_ID}.intersection(each) else problem
    is_same_study = row.study_instance_uid == study.study_instance_uid
    # The UID names one study of all; an accession number is as good as the patient beside it.
    return None if problem is OrderProblem.NO_PATIENT_ID and is_same_study else problem


def _use(use: _Use, row: OrderRecord, study: StudyRecord) -> _TakenOff | None:
    session, event = use.session, OrderEvent(row.event)
    row.state, row.problem, row.study_id = OrderState.USED.value, None, study.id
    later = _image_after(use, row, study)
    instance = later or first_image(session, study)
    said = EventDetail.ORDER.of(order=event.value, sender=row.sender, control_id=row.message_id)
    record(session, instance, use.at, EventKind.ORDER_HEARD, said)
    if event is OrderEvent.ORDERED:
        if row.priority is not None and raise_priority(study, Priority(row.priority), PrioritySource.ORDER, use.order):
            use.subscriptions.tell(session, MessageEvent.PRIORITY_RAISED, study, instance, use.at)
        return None
    # An image that comes after its order was cancelled was taken all the same: somebody has to look at it.
    is_moot = event is OrderEvent.CANCELLED and later is not None
    if is_moot or study.closed_at is not None:
        return None
    source = CloseSource.HL7 if event is OrderEvent.READ else CloseSource.ORDER_CANCELLED
    closed = close(session, study, source, "", use.at, use.subscriptions)
    if later is not None:
        # Nobody can tell whether whoever reported has seen it.
        came_after(session, study, later, use.at)
    if closed is None:
        return None
    # Nobody has read what was cancelled, so nobody has waited for it.
    return closed if event is OrderEvent.READ else replace(closed, waited=None), identity_of(instance)


def _image_after(use: _Use, row: OrderRecord, study: StudyRecord) -> InstanceRecord | None:
    """Return an image of a study that came after what was heard: whoever spoke then did not know of it."""
    if (arrived := _arrived(use, study)) is not None:
        return arrived
    last = max(current_versions(use.session, study), key=lambda image: image.received_at, default=None)
    return last if last is not None and last.received_at > row.heard_at else None


def _refuse(use: _Use, row: OrderRecord, study: StudyRecord, problem: OrderProblem) -> None:
    row.state, row.problem, row.study_id = OrderState.NOT_USED.value, problem.value, study.id
    said = EventDetail.ORDER_PROBLEM.of(
        order=row.event, sender=row.sender, control_id=row.message_id, problem=problem.value
    )
    of_message = {name: value for name, value in said.stored().items() if name != "problem"}
    lines = select(EventRecord.facts).join(InstanceRecord).where(EventRecord.event == EventKind.ORDER_NOT_USED.value)
    of_study = lines.where(InstanceRecord.study_id == study.id).order_by(EventRecord.id.desc())
    told = (facts for facts in use.session.scalars(of_study) if facts and of_message.items() <= facts.items())
    if next(told, None) != said.stored():  # it is looked at with each image, and said once
        instance = _arrived(use, study) or first_image(use.session, study)
        record(use.session, instance, use.at, EventKind.ORDER_NOT_USED, said)


def _arrived(use: _Use, study: StudyRecord) -> InstanceRecord | None:
    return use.arrived if use.arrived is not None and use.arrived.study_id == study.id else None
