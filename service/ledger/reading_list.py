"""The reading list: which studies stand on it, in which order, and who was overtaken.

A page costs the same whatever has been read before: only open studies are looked at, in the order of an index.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, case, exists, func, select, true
from sqlalchemy.orm import Session, aliased

from service.ledger import kept_counts
from service.ledger.database import reading
from service.ledger.folding import fold, folded
from service.ledger.inspection import study_views
from service.ledger.kept_counts import SILENT, is_listed, is_open, kept
from service.ledger.records import EventRecord, InstanceRecord, PredictionRecord, StudyRecord
from service.ledger.shadow import is_shadowed
from service.ledger.views import StudyView
from service.vocabulary.facts import Searched, Shelf, Sort, Standing
from service.vocabulary.findings import Outcome
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority, State

#: Studies of a part of the list that are told apart, and among which it is looked for who was overtaken.
MOST = 20_000


_ATTRIBUTES = {
    Searched.ACCESSION: "accession_number",
    Searched.NAME: "patient_name",
    Searched.PATIENT_ID: "patient_id",
}


@dataclass(frozen=True)
class Wanted:
    """Which studies are wanted, in which order; the default is the whole list of what is to be read.

    Attributes
    ----------
    source
        Calling AE title of one of the images.
    arrived_from, arrived_before
        Bounds on the arrival of the first image.
    text
        Free text, in one of the attributes `searched`; case and accents do not count.
    """

    shelf: Shelf = Shelf.OPEN
    source: str | None = None
    priority: Priority | None = None
    standing: Standing | None = None
    arrived_from: datetime | None = None
    arrived_before: datetime | None = None
    text: str = ""
    searched: tuple[Searched, ...] = tuple(Searched)
    sort: Sort = Sort.RANK

    @property
    def is_whole(self) -> bool:
        """Whether it is every study that is to be read, or was read."""
        return self.shelf in (Shelf.OPEN, Shelf.READ) and self == Wanted(
            self.shelf, sort=self.sort, searched=self.searched
        )


@dataclass(frozen=True)
class Overtaking:
    """What the order of reading has done for and to a study.

    Attributes
    ----------
    overtakes, longest
        Open studies that arrived before it and stand behind it, and by how much the first of them was earlier.
    overtaken_by
        Open studies that arrived after it and stand before it.
    """

    overtakes: int = 0
    longest: timedelta = timedelta(0)
    overtaken_by: int = 0


@dataclass(frozen=True)
class Page:
    """Some studies of a list, and how many it has: a part of the list up to `MOST`."""

    studies: tuple[StudyView, ...]
    total: int


class ReadingList:
    """Answers what stands on the list."""

    def __init__(self, engine: Engine, order: ReadingOrder) -> None:
        self._engine = engine
        self.order = order

    def page(self, limit: int, offset: int = 0, wanted: Wanted | None = None) -> Page:
        """Return studies in order; one that consists of our own objects alone is none."""
        wanted = wanted or Wanted()
        found = select(StudyRecord).where(*_conditions(wanted)).order_by(*_order(wanted))
        with reading(self._engine) as session:
            # One more tells whether the page is the last: only where it is not has each study to be looked at.
            rows = session.scalars(found.limit(limit + 1).offset(offset)).all()
            if wanted.is_whole:
                total = _whole(session, wanted.shelf)
            elif len(rows) <= limit and (rows or not offset):
                total = offset + len(rows)
            else:
                total = _counted(session, wanted)
            return Page(tuple(study_views(session, rows[:limit])), total)

    def count(self) -> int:
        """Return how many studies nobody has read."""
        with reading(self._engine) as session:
            return _whole(session, Shelf.OPEN)

    def arrived(self, since: Sequence[datetime]) -> list[int]:
        """Return how many open studies arrived before the first of some moments, between two, and after the last."""
        span = case(
            *((StudyRecord.first_received_at < moment, place) for place, moment in enumerate(sorted(since))),
            else_=len(since),
        )
        counted = select(span, func.count()).where(is_open(), is_listed()).group_by(span)
        with reading(self._engine) as session:
            counts = {place: count for place, count in session.execute(counted)}  # noqa: C416 - rows are no pairs
        return [counts.get(place, 0) for place in range(len(since) + 1)]

    def arrivals(self) -> list[tuple[datetime, Priority, datetime | None]]:
        """Return when the latest studies arrived, how urgent they were, and when they were read."""
        study = StudyRecord
        columns = select(study.first_received_at, study.priority, study.closed_at).where(is_listed())
        with reading(self._engine) as session:
            rows = session.execute(columns.order_by(study.reading_rank_at.desc()).limit(MOST))
            return [(arrived, Priority(priority), read) for arrived, priority, read in rows]

    def sources(self, shelf: Shelf = Shelf.OPEN) -> list[str]:
        """Return the AE titles that sent the images of the studies that are read first, in shadow or not."""
        first = select(StudyRecord.id).where(is_open()).order_by(StudyRecord.reading_rank_at).limit(1000).subquery()
        sent = (InstanceRecord.study_id.in_(select(first.c.id)), _counts(Wanted(shelf)))
        titles = select(InstanceRecord.calling_ae_title).where(*sent)
        with reading(self._engine) as session:
            return sorted(session.scalars(titles.distinct()))

    def overtaking(self, studies: Sequence[StudyView]) -> dict[int, Overtaking]:
        """Return what the order has done for and to open studies, by their number."""
        open_studies = [study for study in studies if study.reading is None]
        if not open_studies:
            return {}
        rank, arrival = StudyRecord.reading_rank_at, StudyRecord.first_received_at
        # Who stands before a study and arrived later ranks no earlier than its arrival minus the longest boost.
        first = min(study.first_received_at for study in open_studies) - self.order.stat_boost
        last = max(study.first_received_at for study in open_studies)
        near = (
            select(rank, arrival, StudyRecord.id)
            .where(is_open(), is_listed(), rank >= first, rank <= last)
            .order_by(rank, arrival, StudyRecord.id)
            .limit(MOST)
        )
        with reading(self._engine) as session:
            places = [(one, other, number) for one, other, number in session.execute(near)]
        return {study.id: _overtaking(study, places, self.order) for study in open_studies}

    def newest_event(self) -> int:
        """Return the number of the last line of all histories: while it stays, nothing on the list has changed."""
        with reading(self._engine) as session:
            return session.scalars(select(func.max(EventRecord.id))).one() or 0


def _overtaking(study: StudyView, places: Sequence[tuple[datetime, datetime, int]], order: ReadingOrder) -> Overtaking:
    arrived = study.first_received_at
    own = (study.reading_rank_at, arrived, study.id)
    behind = places[bisect_right(places, own) : bisect_right(places, (arrived, arrived, study.id))]
    ahead = places[bisect_left(places, (arrived - order.stat_boost, arrived, 0)) : bisect_left(places, own)]
    earlier = [arrival for _, arrival, _ in behind if arrival < arrived]
    return Overtaking(
        overtakes=len(earlier),
        longest=arrived - min(earlier) if earlier else timedelta(0),
        overtaken_by=sum(arrival > arrived for _, arrival, _ in ahead),
    )


def _whole(session: Session, shelf: Shelf) -> int:
    """Return how many studies a whole shelf has, without counting them."""
    counts = kept(session)
    still_open = counts.get((kept_counts.OPEN, ""), 0)
    return still_open if shelf is Shelf.OPEN else counts.get((kept_counts.STUDIES, ""), 0) - still_open


def _counted(session: Session, wanted: Wanted) -> int:
    """Return how many studies a part of the list has, up to `MOST`."""
    every = select(StudyRecord.id).where(*_conditions(wanted)).limit(MOST).subquery()
    return session.scalars(select(func.count()).select_from(every)).one()


def _order(wanted: Wanted) -> tuple[Any, ...]:
    study = StudyRecord
    if wanted.sort is Sort.RANK and wanted.shelf is Shelf.READ:
        return study.closed_at.desc(), study.id.desc()
    if wanted.sort is Sort.RANK and wanted.shelf is Shelf.LATE:
        return study.came_after_at.desc(), study.id.desc()
    by_rank: tuple[Any, ...] = (study.reading_rank_at, study.first_received_at, study.id)
    return {
        Sort.RANK: by_rank,
        Sort.OLDEST: (study.first_received_at, study.id),
        Sort.NEWEST: (study.first_received_at.desc(), study.id.desc()),
        Sort.PRIORITY: (study.priority.desc(), *by_rank),
    }[wanted.sort]


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    study = StudyRecord
    shelves = {
        Shelf.OPEN: is_open(),
        Shelf.READ: study.closed_at.is_not(None),
        Shelf.LATE: study.came_after_at.is_not(None),
        Shelf.SHADOW: true(),
    }
    shown = ~is_listed() & _in_shadow() if wanted.shelf is Shelf.SHADOW else is_listed()
    conditions = [shelves[wanted.shelf]]
    if wanted.priority is not None:
        conditions.append(study.priority == int(wanted.priority))
    if wanted.arrived_from is not None:
        conditions.append(study.first_received_at >= wanted.arrived_from)
    if wanted.arrived_before is not None:
        conditions.append(study.first_received_at < wanted.arrived_before)
    if wanted.source:
        conditions.append(_has_image(wanted, InstanceRecord.calling_ae_title == wanted.source))
    if wanted.text:
        conditions.append(_has_image(wanted, _says(wanted)))
    if wanted.standing is not None:
        conditions.append(_standing(wanted) == list(Standing).index(wanted.standing))
    # Last, for SQLite asks in this order: most studies that are passed over are listed.
    return [*conditions, shown]


def _has_image(wanted: Wanted, condition: ColumnElement[bool]) -> ColumnElement[bool]:
    in_force = and_(InstanceRecord.study_id == StudyRecord.id, InstanceRecord.state.not_in(SILENT), _counts(wanted))
    return exists(select(InstanceRecord.id).where(in_force, condition))


def _in_shadow() -> ColumnElement[bool]:
    # Through the index of the few that are: a study is shown here for its images in shadow alone.
    return StudyRecord.id.in_(select(InstanceRecord.study_id).where(is_shadowed(), InstanceRecord.state.not_in(SILENT)))


def _says(wanted: Wanted) -> ColumnElement[bool]:
    # A name's parts are written with "^" between them (PS3.5 section 6.2, PN); who searches writes blanks.
    identity = [InstanceRecord.identity[_ATTRIBUTES[name]].as_string() for name in wanted.searched]
    said = folded(reduce(lambda text, part: text + " " + part, identity))
    return and_(*(said.contains(word, autoescape=True) for word in fold(wanted.text).split()))


def _counts(wanted: Wanted) -> ColumnElement[bool]:
    return is_shadowed() if wanted.shelf is Shelf.SHADOW else ~is_shadowed()


def _standing(wanted: Wanted) -> ColumnElement[int]:
    """Return how far the AI got with a study: the place of its `Standing`; as `service.worklist` words it."""
    number = {standing: place for place, standing in enumerate(Standing)}
    row, later = InstanceRecord, aliased(InstanceRecord)
    # Each is one step into an index: joined, PostgreSQL without statistics reads all images for each study.
    outcome = select(PredictionRecord.outcome).where(PredictionRecord.instance_id == row.id).scalar_subquery()
    replacement = (
        select(later.id)
        .where(
            later.sop_instance_uid == row.sop_instance_uid,
            later.study_id == row.study_id,
            later.version > row.version,
            later.state.not_in(SILENT),
            later.shadow_id.is_not_distinct_from(row.shadow_id),
        )
        .limit(1)
        .scalar_subquery()
    )
    of_outcome = {
        Outcome.POSITIVE.value: number[Standing.POSITIVE],
        Outcome.INDETERMINATE.value: number[Standing.INDETERMINATE],
        Outcome.NEGATIVE.value: number[Standing.NEGATIVE],
    }
    without = case((row.state == State.FAILED.value, number[Standing.FAILED]), else_=number[Standing.NOT_ANALYSED])
    of_image = case(
        (row.state == State.HELD.value, number[Standing.HELD]),
        (row.state.in_([State.RECEIVED.value, State.CLAIMED.value]), number[Standing.WAITING]),
        else_=case(of_outcome, value=outcome, else_=without),
    )
    of_images = (
        select(func.min(of_image))
        .select_from(row)
        .where(row.study_id == StudyRecord.id, row.state.not_in(SILENT), _counts(wanted), replacement.is_(None))
        .scalar_subquery()
    )
    return case((StudyRecord.held_reason.is_not(None), number[Standing.HELD]), else_=of_images)
