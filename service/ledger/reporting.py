"""Reporting: which reports are due, and the outbox rows that they become."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import Engine, Select, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from service.ledger.database import reading, writing
from service.ledger.due_reports import DueReport, due_report
from service.ledger.keys import Holds, assumed, name_objects
from service.ledger.leases import BY_RANK, IMAGES, LOCK, lock_study_images
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.ledger.reports import NewReport, add_all
from service.ledger.rows import advance, record
from service.ledger.settling import replace_document, replace_unbuilt, settle_study
from service.ledger.study_documents import document_deliveries
from service.ledger.study_facts import StudyFacts, facts_of_study
from service.ledger.telling import Subscriptions
from service.process.clock import Clock
from service.vocabulary.errors import StudyChanged
from service.vocabulary.event_details import EventDetail, EventFacts
from service.vocabulary.facts import EventKind, Failure, MessageEvent
from service.vocabulary.figures import TO_REPORT, Tally
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import STUDY_KINDS
from service.vocabulary.states import CALLED_OFF, DeliveryState, State

#: States in which reports of an image's study alone are due, of which another image has gone.
_TOLD = [State.REPORTED, State.DELIVERED]
_DUE_STATES = [State.INFERRED, State.OUT_OF_SCOPE, State.FAILED, *_TOLD]


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
            order = (BY_RANK, InstanceRecord.id)
            waiting = _waiting().options(contains_eager(InstanceRecord.study), joinedload(InstanceRecord.prediction))
            rows = IMAGES.claim(session, waiting, order, limit, owner=owner, now=now, lease=lease)
            # The attempt is counted by the claim, so that a worker which the building kills is counted too.
            for row in rows:
                if row.attempts > maximum_attempts:
                    _give_up(session, row, f"given up after {maximum_attempts} attempts", now)
            return [due_report(session, row, owner) for row in rows if row.reports_due]

    def renew(self, due: Sequence[DueReport], lease: timedelta) -> list[DueReport]:
        """Begin leases anew, for an instance's turn may come late in its batch; return what is still held."""
        with writing(self._engine) as session:
            return IMAGES.renew(session, due, self._clock(), lease)

    def study(self, due: DueReport) -> StudyFacts:
        """Return what the text report of an instance's whole study is told."""
        with reading(self._engine) as session:
            return facts_of_study(session, session.get_one(InstanceRecord, due.id))

    def save(
        self, due: DueReport, reports: Sequence[NewReport], holds: Holds = assumed, study: StudyFacts | None = None
    ) -> None:
        """Put an instance's reports into the outbox, in one commit.

        A destination that was already told of an image of the study that is not analysed is not told of a second one,
        unless the report takes the place of an earlier one.

        Parameters
        ----------
        study
            What a document about the whole study among them was told. It takes the place of every other document of
            the study that was not sent: so there is one latest, whoever else built one meanwhile.

        Raises
        ------
        StudyChanged
            When the study is not any more what the document was told; it is to be built anew.
        LeaseLost
            When another worker has built them by now.
        StoreUnavailable
            When the store does not hold their bytes any more.
        """
        now = self._clock()
        with writing(self._engine) as session:
            if study is not None:
                lock_study_images(session, due.id)
            row = IMAGES.held(session, due, _DUE_STATES)
            if row.shadow_id is not None:
                reports = ()  # whatever was built, nothing of it leaves
            if study is not None:
                _replace_documents(session, row, study, reports, now)
            of = session.get_one(StudyRecord, row.study_id, with_for_update=LOCK)
            told = set() if due.predecessors or due.prediction is not None else _told(session, row)
            name_objects(session, [report.object_key for report in reports], holds)
            add_all(session, row.id, [_without(report, told) for report in reports], now)
            row.reports_due = False
            IMAGES.settle(row)
            if row.state != State.FAILED.value:
                row.detail = None  # of an earlier attempt at the reports; a failed analysis keeps its own
            kinds = [report.kind for report in reports]
            built = EventDetail.REPORTS.of(reports=kinds) if kinds else EventDetail.NO_REPORTS.of()
            if row.state in (State.INFERRED.value, State.DELIVERED.value):
                advance(session, row, State.REPORTED, now, EventKind.REPORTS_BUILT, built)
            else:
                record(session, row, now, EventKind.REPORTS_BUILT, built)
            if study is not None:
                settle_study(session, row.study_id, now)
            if reports:
                self._subscriptions.tell(session, MessageEvent.REPORTS_BUILT, of, row, now)
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
    if report.outcome is not Outcome.NOT_ANALYSED or report.kind in STUDY_KINDS:
        return report
    return replace(report, destinations=tuple(name for name in report.destinations if name not in told))


def _replace_documents(
    session: Session, row: InstanceRecord, told: StudyFacts, reports: Sequence[NewReport], now: datetime
) -> None:
    """Take the unsent documents about a study out of the outbox, for the destinations that a new one is for.

    Raises
    ------
    StudyChanged
        When the study is not any more what the new document was told, or what it names as its predecessor.
    """
    destinations = {name for report in reports if report.kind in STUDY_KINDS for name in report.destinations}
    unsent = (DeliveryState.PENDING.value, DeliveryState.DEAD.value)
    rows = session.scalars(
        document_deliveries(row.study_id)
        .where(DeliveryRecord.destination.in_(destinations), DeliveryRecord.state.in_(unsent))
        .order_by(DeliveryRecord.id)
        # Whoever took one has counted its attempt before, or takes none any more.
        .with_for_update(of=DeliveryRecord, **LOCK)
    ).all()
    if facts_of_study(session, row) != told:
        raise StudyChanged
    for delivery in rows:
        replace_document(session, delivery, now)
    if destinations:
        replace_unbuilt(session, row.study_id, now)


def _not_built(detail: str) -> str:
    return f"the reports could not be built: {detail}"


def _give_up(session: Session, row: InstanceRecord, detail: str, now: datetime) -> None:
    """Stop building an instance's reports; the alarm stands until a person retries."""
    row.detail = _not_built(detail)
    row.reports_due = False
    is_told = row.state in _TOLD
    if is_told or row.reason == Failure.DELIVERY_FAILED.value:
        row.reason = Failure.STUDY_REPORT_FAILED.value
    if is_told or row.state == State.INFERRED.value:
        row.reason = row.reason or Failure.REPORT_FAILED.value
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


def _told(session: Session, row: InstanceRecord) -> set[str]:
    """Return the destinations that know of an image of this study that is not analysed.

    A report that another has taken the place of is left out: what is shown in its stead may read as a whole study's
    result. So is one that never reached its destination, which was given up and is there again.
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
                DeliveryRecord.state.not_in([state.value for state in CALLED_OFF]),
            )
        )
    )
