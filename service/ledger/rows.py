"""What every part of the ledger does to rows: change a state, write history, raise a priority, hold a study.

On PostgreSQL a transaction that locks several rows takes an instance before its deliveries and before its study, and an
earlier version after a later one: two that took them the other way round would wait for each other.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, exists, func, select
from sqlalchemy.orm import Session, aliased

from service.ledger.leases import IMAGES, LOCK
from service.ledger.records import EventRecord, InstanceRecord, StudyRecord
from service.ledger.version_0_1 import HOLDS, hold_of
from service.vocabulary.event_details import EventDetail, EventFacts
from service.vocabulary.facts import EventKind, Hold, PrioritySource
from service.vocabulary.identity import Identity, is_one_patient
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority, State, require_legal


def record(
    session: Session, instance: InstanceRecord, at: datetime, event: EventKind, detail: EventFacts | str | None = None
) -> None:
    """Write a line of an instance's history; never with patient data.

    Parameters
    ----------
    detail
        What it says beyond its kind: facts, or what an error said.
    """
    row = EventRecord(instance_id=instance.id, at=at, event=event.value, state=instance.state)
    if isinstance(detail, EventFacts):
        row.facts = detail.stored()
    else:
        row.detail = detail
    session.add(row)


def by_person(name: str) -> EventFacts:
    """Return by whom something was asked for; the name is empty where nobody knows it."""
    return EventDetail.BY_PERSON.of(name=name) if name else EventDetail.BY_SOMEBODY.of()


def advance(
    session: Session,
    instance: InstanceRecord,
    state: State,
    at: datetime,
    event: EventKind,
    detail: EventFacts | str | None = None,
) -> None:
    """Change an instance's state: the one place where that happens.

    Raises
    ------
    IllegalTransition
        When the step is not one of `service.vocabulary.states.TRANSITIONS`.
    """
    require_legal(State(instance.state), state)
    instance.state = state.value
    # A lease is on the work of one state: whoever held the row has no business with it in the next.
    if state is not State.CLAIMED:
        IMAGES.end(instance)
    record(session, instance, at, event, detail)


def current_versions(session: Session, study: StudyRecord) -> list[InstanceRecord]:
    """Return the latest version of each instance of a study that says whose the study is."""
    of_study = select(InstanceRecord).where(InstanceRecord.study_id == study.id, says_whose(InstanceRecord))
    rows = session.scalars(of_study.order_by(InstanceRecord.version))
    return list({row.sop_instance_uid: row for row in rows}.values())


def says_whose(row: type[InstanceRecord]) -> ColumnElement[bool]:
    """Return the condition on versions that say whose their study is, where none of the same image came later."""
    silent = [state.value for state in (State.OWN, State.DUPLICATE, State.HELD)]
    return row.state.not_in(silent) & row.shadow_id.is_(None)


def is_latest(row: type[InstanceRecord]) -> ColumnElement[bool]:
    """Return the condition on those versions of `says_whose` that none of the same image and study came after."""
    later = aliased(InstanceRecord)
    return ~exists().where(
        later.sop_instance_uid == row.sop_instance_uid,
        later.version > row.version,
        later.study_id == row.study_id,
        says_whose(later),
    )


#: The patients that a study names: each once, however many images name it, and once more where a person let one go.
_PATIENTS = (
    select(
        *(
            func.coalesce(InstanceRecord.identity[name].as_string(), "")
            for name in ("patient_id", "issuer_of_patient_id", "patient_name", "birth_date")
        ),
        InstanceRecord.released_at.is_not(None),
    )
    .where(InstanceRecord.study_id == bindparam("study_id"), says_whose(InstanceRecord), is_latest(InstanceRecord))
    .distinct()
)


def identity_of(instance: InstanceRecord) -> Identity:
    """Return an instance's identity."""
    return Identity(**instance.identity)


def settle_patient(session: Session, study: StudyRecord, instance: InstanceRecord, at: datetime) -> bool:
    """Hold a study whose instances belong to two patients, or let it go once they agree again.

    Returns
    -------
    bool
        Whether this call put the study on hold.
    """
    agree = _is_one_patient(session, study)
    # A study that is held already keeps the reason that a person was told first.
    if not agree and study.held_reason is None:
        hold(study, Hold.TWO_PATIENTS, at)
        record(session, instance, at, EventKind.STUDY_HELD, EventDetail.HOLD.of(hold=Hold.TWO_PATIENTS.value))
        return True
    # Only this hold ends by itself: that names agree proves nothing about pixels that clashed under one UID.
    if agree and hold_of(study) is Hold.TWO_PATIENTS:
        let_go(study)
        record(session, instance, at, EventKind.STUDY_RELEASED, EventDetail.ONE_PATIENT.of())
    return False


def hold(study: StudyRecord, why: Hold, at: datetime) -> None:
    """Put a study on hold: nothing of it is sent until a person decides."""
    study.held_reason, study.hold, study.held_at = HOLDS[why], why.value, at


def let_go(study: StudyRecord) -> None:
    """End the hold on a study."""
    study.held_reason = study.hold = study.held_at = None


def free_since(session: Session, instance_id: int, created_at: datetime) -> datetime:
    """Return from when on something could go out that was written at a moment, about an image.

    That is the moment at which its study was last let go, where that is later: what waited for a person was not tried.
    """
    study = select(InstanceRecord.study_id).where(InstanceRecord.id == instance_id).scalar_subquery()
    let_go = session.scalars(
        select(EventRecord.at)
        .join(InstanceRecord)
        .where(InstanceRecord.study_id == study, EventRecord.event == EventKind.STUDY_RELEASED.value)
        .order_by(EventRecord.at.desc())
        .limit(1)
    ).first()
    return max(created_at, let_go) if let_go is not None else created_at


def _is_one_patient(session: Session, study: StudyRecord) -> bool:
    """Return whether a study's instances can be of one patient, or a person said that they are.

    Each is compared with each: one without any patient attribute agrees with two that contradict each other.
    """
    found = [(tuple(one), is_released) for *one, is_released in session.execute(_PATIENTS, {"study_id": study.id})]
    # A person who let the study go has seen the images that were in it then.
    released = {patient for patient, is_released in found if is_released}
    return is_one_patient((patient for patient, _ in found), released)


def raise_priority(study: StudyRecord, priority: Priority, source: PrioritySource, order: ReadingOrder) -> bool:
    """Raise a study's priority; a lower one changes nothing, and what was read needs none. Return whether it rose."""
    if priority <= study.priority:
        return False
    if study.closed_at is not None:
        if priority > (study.withheld_priority or 0):
            study.withheld_priority, study.withheld_source = int(priority), source.value
        return False
    study.priority = int(priority)
    study.priority_source = source.value
    # The boosts may have been lowered in the settings since the study last rose.
    study.reading_rank_at = min(study.reading_rank_at, order.rank(study.first_received_at, priority))
    return True


def study_of(session: Session, row: InstanceRecord) -> StudyRecord:
    """Return an instance's study, locked after it."""
    return session.get_one(StudyRecord, row.study_id, with_for_update=LOCK)
