"""The remedies: what a person asks for when something was given up or held."""

from datetime import datetime

from sqlalchemy import Engine, Select, select
from sqlalchemy.orm import Session

from service.core.clock import Clock
from service.core.database import writing
from service.core.ledger.analysis import ANALYSIS_FAILED, RELEASED
from service.core.ledger.deliveries import DELIVERY_FAILED
from service.core.ledger.rows import BY_A_PERSON, LOCK, STUDY_RELEASED, advance, record
from service.core.records import CommitmentRequestRecord, DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.core.states import CommitmentState, DeliveryState, State

_REPORTABLE = [State.OUT_OF_SCOPE.value, State.FAILED.value]


class Remedies:
    """Starts again what failed, and lets a held study go."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def retry(self, uid: str | None = None) -> int:
        """Start again what was given up: of one instance or study by its UID, or all.

        Returns
        -------
        int
            How many failed analyses, dead deliveries and, without a UID, dead answers to peers were started again.
        """
        now = self._clock()
        with writing(self._engine) as session:
            instances = session.scalars(_of(uid).where(InstanceRecord.state != State.SUPERSEDED.value)).all()
            answers = _retry_answers(session, now) if uid is None else 0
            return answers + sum(_retry(session, instance, now) for instance in instances)

    def release(self, study_instance_uid: str) -> bool:
        """Let a held study go on a person's word; return whether it was held."""
        now = self._clock()
        with writing(self._engine) as session:
            study = session.scalars(
                select(StudyRecord).where(StudyRecord.study_instance_uid == study_instance_uid).with_for_update(**LOCK)
            ).one_or_none()
            if study is None or study.held_reason is None:
                return False
            study.held_reason = None
            for instance in study.instances:
                record(session, instance, now, STUDY_RELEASED, BY_A_PERSON)
                if instance.state == State.HELD.value:
                    instance.flags = [*instance.flags, RELEASED]
                    advance(session, instance, State.RECEIVED, now, "released", BY_A_PERSON)
            return True


def _of(uid: str | None) -> Select[InstanceRecord]:
    query = select(InstanceRecord).join(StudyRecord)
    if uid is None:
        return query
    return query.where((InstanceRecord.sop_instance_uid == uid) | (StudyRecord.study_instance_uid == uid))


def _retry_answers(session: Session, now: datetime) -> int:
    """Start the answers to peers again that were given up; they belong to no one instance."""
    dead = session.scalars(
        select(CommitmentRequestRecord).where(CommitmentRequestRecord.state == CommitmentState.DEAD.value)
    ).all()
    for request in dead:
        request.state, request.attempts = CommitmentState.WAITING.value, 0
        request.next_attempt_at = request.requested_at = now
    return len(dead)


def _retry(session: Session, instance: InstanceRecord, now: datetime) -> int:
    dead = session.scalars(
        select(DeliveryRecord)
        .join(ReportRecord)
        .where(ReportRecord.instance_id == instance.id, DeliveryRecord.state == DeliveryState.DEAD.value)
    ).all()
    for delivery in dead:
        delivery.state = DeliveryState.PENDING.value
        # The age that the giving up is reckoned from begins anew with the person's word.
        delivery.next_attempt_at = delivery.created_at = now
    if instance.state == State.FAILED.value and instance.reason == ANALYSIS_FAILED:
        instance.attempts, instance.not_before, instance.reports_due = 0, None, False
        instance.superseding_reason = "analysed again"
        advance(session, instance, State.RECEIVED, now, "retried", BY_A_PERSON)
        return len(dead) + 1
    if instance.detail and not dead and not instance.reports and instance.state in _REPORTABLE:
        instance.detail, instance.attempts, instance.reports_due = None, 0, True
        if instance.state == State.FAILED.value:
            instance.reason = None
            advance(session, instance, State.INFERRED, now, "retried", BY_A_PERSON)
        return 1
    if dead and instance.state == State.FAILED.value and instance.reason == DELIVERY_FAILED:
        instance.reason = None
        advance(session, instance, State.REPORTED, now, "retried", BY_A_PERSON)
    return len(dead)
