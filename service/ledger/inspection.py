"""Inspection: what the ledger holds, for people; it reads and never writes.

Each method is a fixed number of queries, whatever the number of studies.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Select, func, or_, select
from sqlalchemy.orm import Session, contains_eager, defer, joinedload, load_only, selectinload

from service.ledger import kept_counts
from service.ledger.database import reading
from service.ledger.drift import standing_alarms
from service.ledger.kept_counts import SILENT, kept
from service.ledger.leases import is_under_way
from service.ledger.message_records import MessageRecord
from service.ledger.message_views import messages_of
from service.ledger.order_views import orders_of
from service.ledger.records import (
    CommitmentRequestRecord,
    DeliveryRecord,
    EventRecord,
    InstanceRecord,
    PredictionRecord,
    ReportRecord,
    StudyRecord,
)
from service.ledger.shadow import is_shadowed, visible
from service.ledger.unread import oldest_unread
from service.ledger.untaken import oldest_unsent, untaken
from service.ledger.version_0_1 import hold_of
from service.ledger.views import (
    MANY,
    EventView,
    InstanceView,
    ReportView,
    StatusView,
    StudyHistory,
    StudyView,
    instance_view,
    reading_view,
    report_view,
)
from service.ledger.work_item_records import WorkItemRecord
from service.vocabulary.facts import Failure, Hold, PrioritySource
from service.vocabulary.findings import Outcome
from service.vocabulary.orders import OrderState
from service.vocabulary.states import CommitmentState, DeliveryState, Priority, State


class Inspection:
    """Answers what a person, or a monitor, asks of the ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def status(self) -> StatusView:
        """Return counts by state, reason, outcome and destination, and what is on hold."""
        with reading(self._engine) as session:
            counts = kept(session)

            def by_label(name: str) -> dict[str, int]:
                return {label: count for (counted, label), count in counts.items() if counted == name}

            failures = by_label(kept_counts.FAILED)
            # An image out of scope whose report failed stays out of scope.
            if unreported := counts.get((kept_counts.UNREPORTED, ""), 0):
                failures[Failure.REPORT_FAILED] = failures.get(Failure.REPORT_FAILED, 0) + unreported
            outbox = [
                (destination, state.value, count)
                for state in DeliveryState
                for destination, count in by_label(kept_counts.outbox(state)).items()
            ]
            return StatusView(
                studies=counts.get((kept_counts.STUDIES, ""), 0),
                open_studies=counts.get((kept_counts.OPEN, ""), 0),
                came_after=_came_after(session),
                states={State(name): count for name, count in by_label(kept_counts.STATES).items()},
                out_of_scope=by_label(kept_counts.OUT_OF_SCOPE),
                failures=failures,
                outcomes={Outcome(name): count for name, count in by_label(kept_counts.OUTCOMES).items()},
                outbox=_by_destination(outbox),
                commitment_requests=_commitment_requests(session),
                orders={OrderState(name): count for name, count in by_label(kept_counts.ORDERS).items()},
                oldest_unanswered_since=_oldest_unanswered(session),
                oldest_waiting_since=_oldest_waiting(session),
                oldest_unsent_since=oldest_unsent(session),
                oldest_unread_since=oldest_unread(session),
                held_studies=_held_studies(session),
                drifting=tuple(standing_alarms(session)),
                untaken=untaken(session),
            )

    def history(self, uid: str) -> StudyHistory | None:
        """Return everything about a study, by the UID of itself, of an instance or of a report in it.

        An instance whose versions belong to several studies gives the study of the latest one.
        """
        with reading(self._engine) as session:
            study_id = session.scalars(_study_id_of(uid)).first()
            if study_id is None:
                return None
            study = session.get_one(StudyRecord, study_id)
            versions = session.scalars(
                _instances()
                .where(InstanceRecord.study_id == study_id)
                .order_by(InstanceRecord.received_at, InstanceRecord.id)
            ).all()
            events = session.execute(
                select(EventRecord, InstanceRecord.sop_instance_uid, InstanceRecord.version)
                .join(InstanceRecord, InstanceRecord.id == EventRecord.instance_id)
                .where(InstanceRecord.study_id == study_id)
                .order_by(EventRecord.at, EventRecord.id)
            )
            reports = session.scalars(
                _reports().where(InstanceRecord.study_id == study_id).order_by(ReportRecord.created_at, ReportRecord.id)
            ).unique()
            return StudyHistory(
                study=study_views(session, [study])[0],
                versions=tuple(instance_view(row) for row in versions),
                events=tuple(
                    EventView(event.at, sop_uid, version, event.event, State(event.state), event.detail, event.facts)
                    for event, sop_uid, version in events
                ),
                reports=tuple(report_view(row) for row in reports),
                messages=messages_of(session, study_id),
                orders=orders_of(session, study_id),
            )

    def instance(self, sop_instance_uid: str, version: int | None = None) -> InstanceView | None:
        """Return a version of an instance: by default the one in force, or else the latest; one in shadow for want."""
        wanted = InstanceRecord.sop_instance_uid == sop_instance_uid
        with reading(self._engine) as session:
            rows = session.scalars(
                _instances()
                .where(wanted if version is None else wanted & (InstanceRecord.version == version))
                .order_by(is_shadowed(), InstanceRecord.state.in_(SILENT), InstanceRecord.version.desc())
                .limit(1)
            ).all()
            return instance_view(rows[0]) if rows else None

    def report(self, sop_instance_uid: str) -> ReportView | None:
        """Return one of our reports by its SOP Instance UID."""
        with reading(self._engine) as session:
            row = (
                session.scalars(_reports().where(ReportRecord.sop_instance_uid == sop_instance_uid))
                .unique()
                .one_or_none()
            )
            return report_view(row) if row is not None else None


def _instances() -> Select[InstanceRecord]:
    prediction = joinedload(InstanceRecord.prediction)
    return select(InstanceRecord).options(prediction, prediction.options(defer(PredictionRecord.cam, raiseload=True)))


def _reports() -> Select[ReportRecord]:
    source = contains_eager(ReportRecord.instance).options(
        load_only(InstanceRecord.sop_instance_uid, InstanceRecord.version)
    )
    return select(ReportRecord).join(InstanceRecord).options(source, selectinload(ReportRecord.deliveries))


def _study_id_of(uid: str) -> Select[int]:
    by_report = select(ReportRecord.instance_id).where(ReportRecord.sop_instance_uid == uid)
    by_study = select(StudyRecord.id).where(StudyRecord.study_instance_uid == uid)
    return (
        select(InstanceRecord.study_id)
        .where(
            or_(
                InstanceRecord.study_id.in_(by_study),
                InstanceRecord.sop_instance_uid == uid,
                InstanceRecord.id.in_(by_report),
            )
        )
        # A report that a PACS sent back is an instance of its own; the study it is about stands first.
        .order_by(InstanceRecord.state == State.OWN.value, InstanceRecord.version.desc(), InstanceRecord.id.desc())
        .limit(1)
    )


def study_views(session: Session, studies: Sequence[StudyRecord]) -> list[StudyView]:
    """Return what is shown of studies, in their order."""
    ids = [study.id for study in studies]
    found: dict[int, list[InstanceRecord]] = {id_: [] for id_ in ids}
    for row in session.scalars(
        _instances()
        .where(InstanceRecord.study_id.in_(ids), InstanceRecord.state.not_in(SILENT))
        .order_by(InstanceRecord.version, InstanceRecord.id)
    ):
        found[row.study_id].append(row)
    current = {id_: {row.sop_instance_uid: row for row in visible(rows)} for id_, rows in found.items()}
    deliveries: dict[int, list[tuple[str, str, int]]] = {id_: [] for id_ in ids}
    counted = (
        select(InstanceRecord.study_id, DeliveryRecord.destination, DeliveryRecord.state, func.count())
        .join(ReportRecord, ReportRecord.id == DeliveryRecord.report_id)
        .join(InstanceRecord, InstanceRecord.id == ReportRecord.instance_id)
        .where(InstanceRecord.study_id.in_(ids), DeliveryRecord.state != DeliveryState.WITHDRAWN.value)
        .group_by(InstanceRecord.study_id, DeliveryRecord.destination, DeliveryRecord.state)
        .order_by(DeliveryRecord.destination)
    )
    told = (MessageRecord.study_id, MessageRecord.destination, MessageRecord.state)
    messages = (
        select(*told, func.count())
        .where(MessageRecord.study_id.in_(ids), MessageRecord.state != DeliveryState.WITHDRAWN.value)
        .group_by(*told)
        .order_by(MessageRecord.destination)
    )
    for query in (counted, messages):
        for study_id, destination, state, count in session.execute(query):
            deliveries[study_id].append((destination, state, count))
    item = WorkItemRecord
    claims = select(item.study_id, item.performer).where(item.study_id.in_(ids), item.claimed_until.is_not(None))
    claimed_by = _pairs(session, claims)
    return [
        _study_view(study, current[study.id].values(), deliveries[study.id], claimed_by.get(study.id))
        for study in studies
    ]


def _study_view(
    study: StudyRecord,
    current: Iterable[InstanceRecord],
    deliveries: Iterable[tuple[str, str, int]],
    claimed_by: str | None,
) -> StudyView:
    return StudyView(
        id=study.id,
        study_instance_uid=study.study_instance_uid,
        first_received_at=study.first_received_at,
        priority=Priority(study.priority),
        priority_source=PrioritySource(study.priority_source),
        reading_rank_at=study.reading_rank_at,
        hold=hold_of(study),
        reading=reading_view(study),
        claimed_by=claimed_by,
        instances=tuple(sorted((instance_view(row) for row in current), key=lambda view: (view.received_at, view.id))),
        deliveries=_by_destination(deliveries),
    )


def _commitment_requests(session: Session) -> dict[CommitmentState, int]:
    request = CommitmentRequestRecord
    counts = _pairs(session, select(request.state, func.count()).group_by(request.state))
    return {CommitmentState(name): count for name, count in counts.items()}


def _oldest_unanswered(session: Session) -> datetime | None:
    request = CommitmentRequestRecord
    waiting = select(func.min(request.requested_at)).where(request.state == CommitmentState.WAITING.value)
    return session.scalars(waiting).one()


def _oldest_waiting(session: Session) -> datetime | None:
    return session.scalars(select(func.min(InstanceRecord.received_at)).where(is_under_way())).one()


def _came_after(session: Session) -> int:
    late = select(StudyRecord.id).where(StudyRecord.came_after_at.is_not(None)).limit(MANY).subquery()
    return session.scalars(select(func.count()).select_from(late)).one()


def _held_studies(session: Session) -> dict[str, Hold]:
    held = select(StudyRecord).where(StudyRecord.held_reason.is_not(None)).order_by(StudyRecord.first_received_at)
    return {study.study_instance_uid: why for study in session.scalars(held) if (why := hold_of(study)) is not None}


def _pairs(session: Session, query: Select[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in session.execute(query)}  # noqa: C416 - rows are not typed as pairs


def _by_destination(rows: Iterable[tuple[str, str, int]]) -> dict[str, dict[DeliveryState, int]]:
    """Return counts of rows ``(destination, state, count)`` by destination and state."""
    counts: dict[str, dict[DeliveryState, int]] = {}
    for destination, state, count in rows:
        counts.setdefault(destination, {})[DeliveryState(state)] = count
    return counts
