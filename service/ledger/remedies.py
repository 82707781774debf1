"""The remedies: what a person asks for when something was given up or held."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, Select, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from service.ledger.acquisitions import copy_acquisition
from service.ledger.database import writing
from service.ledger.keys import lock
from service.ledger.leases import LOCK
from service.ledger.message_records import MessageRecord
from service.ledger.order_locks import lock_release
from service.ledger.orders import settle_release
from service.ledger.records import (
    CommitmentRequestRecord,
    DeliveryRecord,
    InstanceRecord,
    PredictionRecord,
    ReportRecord,
    StudyRecord,
)
from service.ledger.rows import advance, by_person, let_go, record
from service.ledger.settling import UNBUILT, build_again
from service.ledger.shadow import both_alike, held_in_shadow
from service.ledger.superseding import withdraw
from service.ledger.telling import Subscriptions
from service.ledger.version_0_1 import AGAIN, RELEASED, keep_supersession
from service.ledger.versions import with_same_bytes
from service.process.clock import Clock
from service.vocabulary.facts import EventKind, Failure, Hold, MessageEvent, Reason, Supersession
from service.vocabulary.figures import TO_READ, Tally
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import CommitmentState, DeliveryState, State

#: INFERRED among them: the result of a study on hold is told as soon as a person releases it.
_ANSWERED = (State.INFERRED, State.REPORTED, State.DELIVERED, State.OUT_OF_SCOPE, State.FAILED)
#: Events that are worth telling though the version of the image that they came about by is superseded.
_OUTLASTING = [event.value for event in MessageEvent if event not in (MessageEvent.RESULT, MessageEvent.REPORTS_BUILT)]


@dataclass(frozen=True)
class Which:
    """The images that a person means: of a study or an instance, or those that a checkpoint has a result for."""

    uid: str | None = None
    checkpoint_version: str | None = None


class Remedies:
    """Starts again what failed, and lets a held study go."""

    def __init__(
        self, engine: Engine, order: ReadingOrder, clock: Clock, tally: Tally, subscriptions: Subscriptions
    ) -> None:
        self._engine = engine
        self._order = order
        self._clock = clock
        self._tally = tally
        self._subscriptions = subscriptions

    def retry(self, uid: str | None = None) -> int:
        """Start again what was given up: of one instance or study by its UID, or all.

        Returns
        -------
        int
            How many failed analyses, dead deliveries and messages and, without a UID, dead answers to peers were
            started again.
        """
        now = self._clock()
        with writing(self._engine) as session:
            # Locked, so that none is superseded meanwhile; a later version before an earlier one (ADR 0022).
            given_up = _given_up(uid).order_by(InstanceRecord.id.desc())
            instances = session.scalars(given_up.with_for_update(of=InstanceRecord, **LOCK)).all()
            answers = _retry_answers(session, now) if uid is None else 0
            started = sum(
                _retry(session, instance, now) for instance in instances if instance.state != State.SUPERSEDED.value
            )
            return answers + started + sum(_retry_messages(session, instance, now) for instance in instances)

    def reanalyse(self, which: Which, is_kept: Callable[[str], bool], by: str = "") -> int:
        """Have images analysed again whose result is in force, reported or not.

        Each becomes a new version with the same bytes. What a worker says of it takes the place of what was said
        before, and its reports name those that they supersede. Nothing else is touched, and nothing is sent again.

        Parameters
        ----------
        is_kept
            Tells by an object's key whether its bytes are still there; without them the result stands.
        by
            The name of the person, if it is known.

        Returns
        -------
        int
            How many images are to be analysed again.
        """
        now = self._clock()
        with writing(self._engine) as session:
            rows = session.scalars(_in_force(which)).all()
            # Locked, so that retention does not remove an object that a new version is about to name.
            lock(session, *sorted({row.object_key for row in rows}))
            again = [row for row in rows if is_kept(row.object_key)]
            for row in again:
                last = select(func.max(InstanceRecord.version)).where(
                    InstanceRecord.sop_instance_uid == row.sop_instance_uid
                )
                version = with_same_bytes(row, session.scalars(last).one() + 1, State.RECEIVED, now)
                version.flags, version.reanalysis_asked_at, version.reanalysis_asked_by = [AGAIN], now, by[:64] or None
                session.add(version)
                session.flush()
                copy_acquisition(session, row, version)
                record(session, version, now, EventKind.REANALYSIS_ASKED, by_person(by))
            return len(again)

    def release(self, study_instance_uid: str, by: str = "") -> bool:
        """Let a held study go on a person's word; return whether it was held.

        What was heard of its orders meanwhile is used now.

        Parameters
        ----------
        by
            The name of the person, if it is known.
        """
        now = self._clock()
        with writing(self._engine) as session:
            lock_release(session, study_instance_uid)
            study = session.scalars(
                select(StudyRecord).where(StudyRecord.study_instance_uid == study_instance_uid).with_for_update(**LOCK)
            ).one_or_none()
            if study is None:
                return False
            # Every image is marked, not only the one that clashed: the person has seen the study as it is now. An image
            # in shadow holds no study, and is let go by itself.
            released = study.instances if study.held_reason is not None else held_in_shadow(study.instances)
            if not released:
                return False
            let_go(study)
            for instance in released:
                instance.released_at, instance.released_by = now, by[:64] or None
                record(session, instance, now, EventKind.STUDY_RELEASED, by_person(by))
                if instance.state == State.HELD.value:
                    instance.hold = instance.hold or Hold.CLASHING_INSTANCE.value
                    instance.flags = [*instance.flags, RELEASED]
                    advance(session, instance, State.RECEIVED, now, EventKind.LET_GO, by_person(by))
            closed = settle_release(session, study, now, self._order, self._subscriptions)
        if closed is not None and closed.waited is not None:
            self._tally.turn(TO_READ, closed.waited, closed.source, now)
        return True


def _in_force(which: Which) -> Select[InstanceRecord]:
    """Return the versions in force that a person means, without those that a later version may replace already."""
    later = aliased(InstanceRecord)
    under_way = [state.value for state in (State.RECEIVED, State.CLAIMED, State.HELD)]
    has_later = exists(
        select(later.id).where(
            later.sop_instance_uid == InstanceRecord.sop_instance_uid,
            later.version > InstanceRecord.version,
            both_alike(later, InstanceRecord),
            later.state.in_(under_way),
        )
    )
    query = (
        select(InstanceRecord)
        .join(StudyRecord)
        .where(
            InstanceRecord.state.in_([state.value for state in _ANSWERED]),
            InstanceRecord.reason.is_distinct_from(Reason.NOT_AN_IMAGE.value),
            ~has_later,
        )
        .order_by(InstanceRecord.id)
    )
    if which.uid is not None:
        query = query.where(
            (InstanceRecord.sop_instance_uid == which.uid) | (StudyRecord.study_instance_uid == which.uid)
        )
    if which.checkpoint_version is not None:
        query = query.join(PredictionRecord, PredictionRecord.instance_id == InstanceRecord.id).where(
            PredictionRecord.checkpoint_version == which.checkpoint_version
        )
    return query


def _given_up(uid: str | None) -> Select[InstanceRecord]:
    """Return the images of which something was given up: the analysis, a report, or what was to be sent or told."""
    dead = DeliveryState.DEAD.value
    deliveries = exists().where(
        DeliveryRecord.report_id == ReportRecord.id,
        ReportRecord.instance_id == InstanceRecord.id,
        DeliveryRecord.state == dead,
    )
    messages = exists().where(MessageRecord.instance_id == InstanceRecord.id, MessageRecord.state == dead)
    # Of all that was never analysed, what has a detail is what no report could be made of.
    is_unbuilt = InstanceRecord.detail.is_not(None) & InstanceRecord.reports_due.is_(False)
    unreported = (InstanceRecord.state == State.OUT_OF_SCOPE.value) & is_unbuilt
    failed = InstanceRecord.state == State.FAILED.value
    query = select(InstanceRecord).join(StudyRecord).where(or_(failed, unreported, deliveries, messages))
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


def _retry_messages(session: Session, instance: InstanceRecord, now: datetime) -> int:
    """Start the messages again that were given up, but for a result that no longer stands."""
    dead = session.scalars(
        select(MessageRecord).where(
            MessageRecord.instance_id == instance.id, MessageRecord.state == DeliveryState.DEAD.value
        )
    ).all()
    stand = [row for row in dead if instance.state != State.SUPERSEDED.value or row.event in _OUTLASTING]
    for message in stand:
        # A study may have become more urgent since.
        message.priority, message.priority_source = instance.study.priority, instance.study.priority_source
        message.state = DeliveryState.PENDING.value
        message.next_attempt_at = message.created_at = now
    return len(stand)


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
    if instance.state == State.FAILED.value and instance.reason == Failure.ANALYSIS_FAILED:
        instance.attempts, instance.not_before, instance.reports_due = 0, None, False
        withdraw(session, instance)  # that it was not analysed
        keep_supersession(instance, Supersession.ANALYSED_AGAIN)
        advance(session, instance, State.RECEIVED, now, EventKind.RETRIED, by_person(""))
        return 1
    if instance.state == State.FAILED.value and instance.reason in UNBUILT:
        build_again(session, instance, now, EventKind.RETRIED, by_person(""))
        return 1 + len(dead)
    if instance.state == State.OUT_OF_SCOPE.value and instance.detail and not instance.reports_due:
        instance.detail, instance.attempts, instance.reports_due = None, 0, True
        return 1 + len(dead)
    if dead and instance.state == State.FAILED.value and instance.reason == Failure.DELIVERY_FAILED:
        instance.reason = None
        advance(session, instance, State.REPORTED, now, EventKind.RETRIED, by_person(""))
    return len(dead)
