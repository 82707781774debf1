"""Readings: a person has read a study, so it leaves the list; or has to read it again, so it comes back.

The one place where a study is closed and opened. Nothing else of it changes: its images are analysed, its reports sent
and its bytes kept as if it were open. What comes after the reading is noted and raises nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, func, or_, select
from sqlalchemy.orm import Session

from service.ledger.database import writing
from service.ledger.kept_counts import SILENT, is_listed, is_open
from service.ledger.leases import LOCK
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.rows import by_person, raise_priority, record
from service.ledger.shadow import is_shadowed
from service.ledger.telling import Subscriptions
from service.ledger.work_item_events import note_study
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail, EventFacts
from service.vocabulary.facts import CloseSource, EventKind, MessageEvent, PrioritySource
from service.vocabulary.figures import TO_READ, Tally
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority

#: Places that are told apart; to count further reads through a list that nobody works off.
_FARTHEST = 10_000


@dataclass(frozen=True)
class Closed:
    """That a study was closed.

    Attributes
    ----------
    waited
        How long after its first result; None where there was none, or it was read before.
    source
        The calling AE title of its first image.
    """

    waited: timedelta | None
    source: str


class Readings:
    """Closes studies and opens them again."""

    def __init__(
        self, engine: Engine, order: ReadingOrder, clock: Clock, tally: Tally, subscriptions: Subscriptions
    ) -> None:
        self._engine = engine
        self._tally = tally
        self._subscriptions = subscriptions
        self._order = order
        self._clock = clock

    def close(self, study_instance_uid: str, source: CloseSource, by: str = "") -> bool:
        """Take a study off the list, for it was read; return whether that was news.

        A study that was read before is read again where something came after that reading: it counts as seen.

        Parameters
        ----------
        by
            The name of the person, if it is known.
        """
        now = self._clock()
        with writing(self._engine) as session:
            study = _locked(session, study_instance_uid)
            closed = study and close(session, study, source, by, now, self._subscriptions)
        if closed and closed.waited is not None:
            self._tally.turn(TO_READ, closed.waited, closed.source, now)
        return bool(closed)

    def reopen(self, study_instance_uid: str, by: str = "") -> bool:
        """Put a study back on the list, at the place that it has earned; return whether it was read."""
        now = self._clock()
        with writing(self._engine) as session:
            study = _locked(session, study_instance_uid)
            if study is None or study.closed_at is None:
                return False
            study.closed_at = study.closed_by = study.close_source = study.came_after_at = None
            if study.withheld_priority is not None and study.withheld_source is not None:
                source = PrioritySource(study.withheld_source)
                if raise_priority(study, Priority(study.withheld_priority), source, self._order):
                    event = MessageEvent.PRIORITY_RAISED
                    self._subscriptions.tell(session, event, study, first_image(session, study), now)
            study.withheld_priority = study.withheld_source = None
            image = first_image(session, study)
            record(session, image, now, EventKind.STUDY_REOPENED, by_person(by))
            if image.shadow_id is None:
                note_study(session, study, now)
            return True


def close(
    session: Session, study: StudyRecord, source: CloseSource, by: str, at: datetime, subscriptions: Subscriptions
) -> Closed | None:
    """Close a study, whose row is locked, within a transaction of the caller; None where that was no news."""
    session.flush()  # the kept counts see one change at a time
    if study.closed_at is not None and study.came_after_at is None:
        return None
    waited = _since_first_result(session, study, at) if study.closed_at is None else None
    place = None if study.closed_at is not None else _place(session, study)
    study.closed_at, study.closed_by, study.close_source = at, by[:64] or None, source.value
    study.came_after_at = None
    first = first_image(session, study)
    record(session, first, at, EventKind.STUDY_CLOSED, _read(source, by, place))
    subscriptions.tell(session, MessageEvent.STUDY_READ, study, first, at)
    return Closed(waited, first.calling_ae_title)


def came_after(session: Session, study: StudyRecord, instance: InstanceRecord, at: datetime) -> None:
    """Note an image, or what becomes of it, that came after its study was read; its study's row is locked.

    Of what is in shadow nobody is told.
    """
    if study.closed_at is not None and instance.shadow_id is None:
        study.came_after_at = at
        record(session, instance, at, EventKind.CAME_AFTER_READING)


def stands_before(study: StudyRecord) -> ColumnElement[bool]:
    """Return the condition on studies that are read before one, whatever their ranks were when it arrived."""
    rank, arrival = StudyRecord.reading_rank_at, StudyRecord.first_received_at
    same_rank = rank == study.reading_rank_at
    return or_(
        rank < study.reading_rank_at,
        same_rank & (arrival < study.first_received_at),
        same_rank & (arrival == study.first_received_at) & (StudyRecord.id < study.id),
    )


def _since_first_result(session: Session, study: StudyRecord, at: datetime) -> timedelta | None:
    row = InstanceRecord
    first = select(func.min(row.analysed_at)).where(row.study_id == study.id, row.state.not_in(SILENT), ~is_shadowed())
    analysed_at = session.scalars(first).one()
    return max(at - analysed_at, timedelta(0)) if analysed_at is not None else None


def _read(source: CloseSource, by: str, place: str | None) -> EventFacts:
    if by and place:
        return EventDetail.READ_BY_AT.of(source=source.value, name=by, place=place)
    if by:
        return EventDetail.READ_BY.of(source=source.value, name=by)
    if place:
        return EventDetail.READ_AT.of(source=source.value, place=place)
    return EventDetail.READ.of(source=source.value)


def _place(session: Session, study: StudyRecord) -> str:
    """Return a study's place on the list, from 1."""
    before = select(StudyRecord.id).where(is_open(), is_listed(), stands_before(study)).limit(_FARTHEST).subquery()
    count = session.scalars(select(func.count()).select_from(before)).one()
    return f"> {_FARTHEST}" if count == _FARTHEST else str(count + 1)


def _locked(session: Session, study_instance_uid: str) -> StudyRecord | None:
    query = select(StudyRecord).where(StudyRecord.study_instance_uid == study_instance_uid)
    return session.scalars(query.with_for_update(**LOCK)).one_or_none()


def first_image(session: Session, study: StudyRecord) -> InstanceRecord:
    """Return the image of a study in whose history stands what is of the study."""
    # One in shadow only where there is no other: of it nothing is told.
    order = (is_shadowed(), InstanceRecord.id)
    first = select(InstanceRecord).where(InstanceRecord.study_id == study.id).order_by(*order).limit(1)
    return session.scalars(first).one()
