"""Reporting: which reports are due, and the outbox rows that they become."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Engine, Select, exists, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from service.ledger.database import reading, writing
from service.ledger.keys import Holds, assumed, name_objects
from service.ledger.leases import IMAGES, LOCK
from service.ledger.predictions import prediction_of
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.ledger.reports import EarlierReport, NewReport, add_all, held_under
from service.ledger.rows import advance, identity_of, record
from service.ledger.siblings import number_of, other_images
from service.ledger.telling import Subscriptions
from service.ledger.version_0_1 import flags_of, supersession_of
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail, EventFacts
from service.vocabulary.facts import EventKind, Failure, Flag, MessageEvent, PrioritySource, Supersession
from service.vocabulary.figures import TO_REPORT, Tally
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.identity import Identity
from service.vocabulary.language import Language
from service.vocabulary.states import DeliveryState, Priority, State

_DUE_STATES = [State.INFERRED, State.OUT_OF_SCOPE, State.FAILED]


@dataclass(frozen=True)
class DueReport:
    """An instance whose reports are to be built, under a lease.

    Attributes
    ----------
    number
        The how-manieth result of its study it is.
    in_shadow
        Whether it was received in shadow: it has no reports.
    other_images
        What has been found out about each other image of the study.
    """

    id: int
    owner: str
    sop_instance_uid: str
    object_key: str
    identity: Identity
    identity_digest: str
    pixel_digest: str | None
    state: State
    prediction: Prediction | None
    reason: str | None
    flags: tuple[Flag, ...]
    is_chest: bool
    priority: Priority
    priority_source: PrioritySource
    analysed_at: datetime
    superseding_reason: Supersession | None
    after_reading: bool
    predecessors: tuple[EarlierReport, ...]
    number: int
    other_images: tuple[Outcome, ...]
    in_shadow: bool = False


class Reporting:
    """Claims instances whose reports are due, and puts built reports into the outbox."""

    def __init__(self, engine: Engine, clock: Clock, tally: Tally, subscriptions: Subscriptions) -> None:
        self._engine = engine
        self._subscriptions = subscriptions
        self._clock = clock
        self._tally = tally

    def any_due(self) -> bool:
        """Return whether reports wait to be built; a look that takes no lock."""
        with reading(self._engine) as session:
            return IMAGES.any_due(session, _waiting(), self._clock())

    def claim(self, owner: str, limit: int, lease: timedelta, maximum_attempts: int = 3) -> list[DueReport]:
        """Take the most urgent instances whose reports are due; a study on hold waits.

        Reports that have cost `maximum_attempts` workers their lease are given up, and a person is called.
        """
        if not self.any_due():
            return []
        now = self._clock()
        with writing(self._engine) as session:
            order = (StudyRecord.reading_rank_at, InstanceRecord.id)
            waiting = _waiting().options(contains_eager(InstanceRecord.study), joinedload(InstanceRecord.prediction))
            rows = IMAGES.claim(session, waiting, order, limit, owner=owner, now=now, lease=lease)
            # The attempt is counted by the claim, so that a worker which the building kills is counted too.
            for row in rows:
                if row.attempts > maximum_attempts:
                    _give_up(session, row, f"given up after {maximum_attempts} attempts", now)
            return [_due_report(session, row, owner) for row in rows if row.reports_due]

    def renew(self, due: Sequence[DueReport], lease: timedelta) -> list[DueReport]:
        """Begin leases anew, for an instance's turn may come late in its batch; return what is still held."""
        with writing(self._engine) as session:
            return IMAGES.renew(session, due, self._clock(), lease)

    def save(self, due: DueReport, reports: Sequence[NewReport], holds: Holds = assumed) -> None:
        """Put an instance's reports into the outbox, in one commit.

        A destination that was already told of an image of the study that is not analysed is not told of a second one,
        unless the report takes the place of an earlier one.

        Raises
        ------
        LeaseLost
            When another worker has built them by now.
        StoreUnavailable
            When the store does not hold their bytes any more.
        """
        now = self._clock()
        with writing(self._engine) as session:
            row = IMAGES.held(session, due, _DUE_STATES)
            if row.shadow_id is not None:
                reports = ()  # whatever was built, nothing of it leaves
            study = session.get_one(StudyRecord, row.study_id, with_for_update=LOCK)
            told = set() if due.predecessors or due.prediction is not None else _told(session, row)
            name_objects(session, [report.object_key for report in reports], holds)
            add_all(session, row.id, [_without(report, told) for report in reports], now)
            row.reports_due = False
            IMAGES.settle(row)
            if row.state != State.FAILED.value:
                row.detail = None  # of an earlier attempt at the reports; a failed analysis keeps its own
            kinds = [report.kind for report in reports]
            built = EventDetail.REPORTS.of(reports=kinds) if kinds else EventDetail.NO_REPORTS.of()
            if row.state == State.INFERRED.value:
                advance(session, row, State.REPORTED, now, EventKind.REPORTS_BUILT, built)
            else:
                record(session, row, now, EventKind.REPORTS_BUILT, built)
            if reports:
                self._subscriptions.tell(session, MessageEvent.REPORTS_BUILT, study, row, now)
            waited = now - row.received_at
        if reports:
            self._tally.observe(TO_REPORT, waited.total_seconds())

    def release(self, due: DueReport, detail: EventFacts | str, retry_at: datetime) -> None:
        """Give an instance's reports back unbuilt: a resource that they need is unavailable, not they."""
        with writing(self._engine) as session:
            row = IMAGES.held(session, due, _DUE_STATES)
            IMAGES.give_back(row)
            IMAGES.put_off(row, retry_at, self._clock())
            record(session, row, self._clock(), EventKind.REPORTS_PUT_OFF, detail)

    def save_failure(self, due: DueReport, detail: str, retry_at: datetime, maximum_attempts: int) -> None:
        """Record that the reports could not be built: another try comes later, or a person is called after the last."""
        now = self._clock()
        with writing(self._engine) as session:
            row = IMAGES.held(session, due, _DUE_STATES)
            if row.attempts < maximum_attempts:
                row.detail = _not_built(detail)
                IMAGES.put_off(row, retry_at, now)
                record(session, row, now, EventKind.REPORT_ATTEMPT_FAILED, detail)
                return
            _give_up(session, row, detail, now)


def _without(report: NewReport, told: set[str]) -> NewReport:
    """Return a report without the destinations that know already what it says."""
    if report.outcome is not Outcome.NOT_ANALYSED:
        return report
    return replace(report, destinations=tuple(name for name in report.destinations if name not in told))


def _not_built(detail: str) -> str:
    return f"the reports could not be built: {detail}"


def _give_up(session: Session, row: InstanceRecord, detail: str, now: datetime) -> None:
    """Stop building an instance's reports; the alarm stands until a person retries."""
    row.detail = _not_built(detail)
    row.reports_due = False
    if row.state == State.INFERRED.value:
        row.reason = Failure.REPORT_FAILED.value
        advance(session, row, State.FAILED, now, EventKind.FAILED, EventDetail.NOT_BUILT.of(error=detail))
    else:
        IMAGES.end(row)
        record(session, row, now, EventKind.REPORT_FAILED, detail)


@cache  # made once: a worker asks for it every few seconds
def _waiting() -> Select[InstanceRecord]:
    return (
        select(InstanceRecord)
        .join(StudyRecord)
        .where(
            InstanceRecord.reports_due.is_(True),
            InstanceRecord.state.in_([state.value for state in _DUE_STATES]),
            StudyRecord.held_reason.is_(None),
        )
    )


def _due_report(session: Session, row: InstanceRecord, owner: str) -> DueReport:
    return DueReport(
        id=row.id,
        owner=owner,
        sop_instance_uid=row.sop_instance_uid,
        object_key=row.object_key,
        identity=identity_of(row),
        identity_digest=row.identity_digest,
        pixel_digest=row.pixel_digest,
        state=State(row.state),
        prediction=prediction_of(row.prediction) if row.prediction and row.state == State.INFERRED.value else None,
        reason=row.reason,
        flags=flags_of(row),
        is_chest=row.is_chest,
        priority=Priority(row.study.priority),
        priority_source=PrioritySource(row.study.priority_source),
        analysed_at=row.analysed_at or row.received_at,
        superseding_reason=supersession_of(row),
        after_reading=row.study.closed_at is not None,
        predecessors=_predecessors(session, row),
        number=number_of(session, row),
        other_images=other_images(session, row),
        in_shadow=row.shadow_id is not None,
    )


def _predecessors(session: Session, row: InstanceRecord) -> tuple[EarlierReport, ...]:
    """Return the reports, of this version or an earlier one, that a destination may hold: the latest of each kind."""
    attempted = exists(
        select(DeliveryRecord.id).where(DeliveryRecord.report_id == ReportRecord.id, DeliveryRecord.attempts > 0)
    )
    reports = session.execute(
        select(ReportRecord, attempted)
        .join(InstanceRecord)
        .where(
            InstanceRecord.sop_instance_uid == row.sop_instance_uid,
            InstanceRecord.version <= row.version,
        )
        .order_by(ReportRecord.id)
    ).all()
    tried = {report.sop_instance_uid for report, was_tried in reports if was_tried}
    held = [report for report, _ in reports if held_under(report) & tried]
    return tuple({(report.kind, report.language): _earlier(report) for report in held}.values())


def _earlier(report: ReportRecord) -> EarlierReport:
    return EarlierReport(
        kind=report.kind,
        sop_class_uid=report.sop_class_uid,
        sop_instance_uid=report.sop_instance_uid,
        series_instance_uid=report.series_instance_uid,
        study_instance_uid=report.instance.study.study_instance_uid,
        object_key=report.object_key,
        removed=report.object_removed_at is not None,
        # Version 0.1 knew one language.
        language=Language(report.language or Language.ENGLISH),
    )


def _told(session: Session, row: InstanceRecord) -> set[str]:
    """Return the destinations that know of an image of this study that is not analysed.

    A report that another has taken the place of is left out: what is shown in its stead may read as a whole study's
    result.
    """
    return set(
        session.scalars(
            select(DeliveryRecord.destination)
            .join(ReportRecord)
            .join(InstanceRecord)
            .where(
                InstanceRecord.study_id == row.study_id,
                InstanceRecord.state.in_([State.OUT_OF_SCOPE.value, State.FAILED.value]),
                ~InstanceRecord.prediction.has(),
                ReportRecord.outcome == Outcome.NOT_ANALYSED.value,
                DeliveryRecord.state != DeliveryState.WITHDRAWN.value,
            )
        )
    )
