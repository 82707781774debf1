"""What every desk of the ledger does to rows: change a state, write history, raise a priority, hold a study.

On PostgreSQL a transaction that locks several rows takes an instance before its deliveries and before its study, and an
earlier version after a later one: two that took them the other way round would wait for each other.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import combinations

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.leases import IMAGES, LOCK
from service.ledger.records import (
    DeliveryRecord,
    EventRecord,
    InstanceRecord,
    ReportRecord,
    StudyRecord,
)
from service.vocabulary.identity import Identity, Patient
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import DeliveryState, Priority, State, require_legal

TWO_PATIENTS = "two patients under one Study Instance UID"
STUDY_RELEASED = "study released"
BY_A_PERSON = "by a person"
CLASHING_INSTANCE = "another patient's image under one SOP Instance UID"


def record(session: Session, instance: InstanceRecord, at: datetime, event: str, detail: str | None = None) -> None:
    """Write a line of an instance's history; never with patient data."""
    session.add(EventRecord(instance_id=instance.id, at=at, event=event, state=instance.state, detail=detail))


def advance(
    session: Session, instance: InstanceRecord, state: State, at: datetime, event: str, detail: str | None = None
) -> None:
    """Change an instance's state: the one place where that happens.

    Raises
    ------
    IllegalTransition
        When the step is not one of `service.vocabulary.states.TRANSITIONS`.
    """
    require_legal(State(instance.state), state)
    instance.state = state.value
    if state is not State.CLAIMED:
        IMAGES.end(instance)
    record(session, instance, at, event, detail)


def current_versions(session: Session, study: StudyRecord) -> list[InstanceRecord]:
    """Return the latest version of each instance of a study that says whose the study is."""
    silent = (State.OWN, State.DUPLICATE, State.HELD)
    rows = session.scalars(
        select(InstanceRecord)
        .where(InstanceRecord.study_id == study.id, InstanceRecord.state.not_in([state.value for state in silent]))
        .order_by(InstanceRecord.version)
    )
    return list({row.sop_instance_uid: row for row in rows}.values())


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
    agree = _is_one_patient(session, current_versions(session, study))
    if not agree and study.held_reason is None:
        study.held_reason = TWO_PATIENTS
        record(session, instance, at, "study held", TWO_PATIENTS)
        return True
    if agree and study.held_reason == TWO_PATIENTS:
        study.held_reason = None
        record(session, instance, at, STUDY_RELEASED, "its instances name one patient again")
    return False


def _is_one_patient(session: Session, rows: Sequence[InstanceRecord]) -> bool:
    """Return whether instances can be of one patient, or a person said that they are.

    Each is compared with each: one without any patient attribute agrees with two that contradict each other.
    """
    patients: dict[Patient, list[InstanceRecord]] = {}
    for row in rows:
        patients.setdefault(identity_of(row).patient(), []).append(row)
    clashes = [
        (one, other)
        for one, other in combinations(patients, 2)
        if not identity_of(patients[one][0]).same_patient(identity_of(patients[other][0]))
    ]
    if not clashes:
        return True
    released = _released(session, rows)
    return all(any(row.id in released for row in patients[patient]) for clash in clashes for patient in clash)


def _released(session: Session, rows: Sequence[InstanceRecord]) -> set[int]:
    """Return the instances that were in their study when a person let it go."""
    return set(
        session.scalars(
            select(EventRecord.instance_id).where(
                EventRecord.instance_id.in_([row.id for row in rows]),
                EventRecord.event == STUDY_RELEASED,
                EventRecord.detail == BY_A_PERSON,
            )
        )
    )


def raise_priority(study: StudyRecord, priority: Priority, source: str, order: ReadingOrder) -> None:
    """Raise a study's priority; a lower one changes nothing."""
    if priority <= study.priority:
        return
    study.priority = int(priority)
    study.priority_source = source
    # The boosts may have been lowered in the settings since the study last rose.
    study.reading_rank_at = min(study.reading_rank_at, order.rank(study.first_received_at, priority))


def supersede_earlier(session: Session, instance: InstanceRecord, reason: str, at: datetime) -> None:
    """Let a version of an instance take the place of the versions before it.

    What was built for them and not yet sent is withdrawn.
    """
    replaceable = [State.INFERRED, State.OUT_OF_SCOPE, State.REPORTED, State.DELIVERED, State.FAILED]
    earlier = session.scalars(
        select(InstanceRecord)
        .where(
            InstanceRecord.sop_instance_uid == instance.sop_instance_uid,
            InstanceRecord.version < instance.version,
            InstanceRecord.state.in_([state.value for state in replaceable]),
        )
        .order_by(InstanceRecord.version)
        .with_for_update(**LOCK)
    ).all()
    for row in earlier:
        row.reports_due = False
        advance(session, row, State.SUPERSEDED, at, "superseded", f"by version {instance.version}: {reason}")
        withdraw(session, row)
        instance.supersedes_id = row.id
        instance.superseding_reason = reason


def withdraw(session: Session, instance: InstanceRecord) -> None:
    """Take an instance's unsent reports out of the outbox."""
    pending = session.scalars(
        select(DeliveryRecord)
        .join(ReportRecord)
        .where(ReportRecord.instance_id == instance.id, DeliveryRecord.state == DeliveryState.PENDING.value)
    )
    for delivery in pending:
        delivery.state, delivery.next_attempt_at = DeliveryState.WITHDRAWN.value, None
