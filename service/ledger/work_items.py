"""Work items: the reading list as others claim from it and complete on it (PS3.4 Annex CC).

Each method is one transaction, which locks a study and then its work item. What was answered with success is durable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from service.ledger.database import reading, writing
from service.ledger.inspection import study_views
from service.ledger.kept_counts import SILENT, is_listed, is_open
from service.ledger.leases import LOCK
from service.ledger.readings import came_after, close, first_image
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.rows import record
from service.ledger.telling import Subscriptions
from service.ledger.views import StudyView
from service.ledger.work_item_events import end, note, open_item
from service.ledger.work_item_records import WorkItemRecord
from service.process.clock import Clock, recent_leap
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import CloseSource, EventKind
from service.vocabulary.figures import TO_READ, Tally
from service.vocabulary.work_items import WorkItemEvent, WorkItemState, WorkItemStatus, answer_to_change

#: Studies of the list that are offered, and work items that ended of which it is told.
MOST, MOST_ENDED = 20_000, 1_000


@dataclass(frozen=True)
class WorkItemView:
    """The reading of a study as a work item.

    Attributes
    ----------
    performer
        AE title of who claimed it; None where nobody did.
    performed
        What the performer has set, in the DICOM JSON model.
    """

    sop_instance_uid: str
    state: WorkItemState
    study: StudyView
    created_at: datetime
    performer: str | None
    claimed_at: datetime | None
    ended_at: datetime | None
    performed: Mapping[str, Any]


@dataclass(frozen=True)
class Changed:
    """What is answered to a change of state, and the study if it was closed by it."""

    status: WorkItemStatus
    closed: StudyView | None = None


class WorkItems:
    """Offers the studies that are to be read, and keeps who reads them.

    Parameters
    ----------
    claim_limit
        How long a claim stands of whose performer nothing is heard.
    """

    def __init__(
        self, engine: Engine, clock: Clock, tally: Tally, subscriptions: Subscriptions, claim_limit: timedelta
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._tally = tally
        self._subscriptions = subscriptions
        self._claim_limit = claim_limit

    def offered(self) -> Sequence[int]:
        """Return the numbers of the studies that are to be read, in the order of reading."""
        study = StudyRecord
        order = (study.reading_rank_at, study.first_received_at, study.id)
        with reading(self._engine) as session:
            return session.scalars(select(study.id).where(is_open(), is_listed()).order_by(*order).limit(MOST)).all()

    def of_studies(self, numbers: Sequence[int]) -> list[WorkItemView]:
        """Return the work items of open studies, in their order; one that nobody has seen before is made."""
        now = self._clock()
        with writing(self._engine) as session:
            # Locked in one order, whatever that of reading: two that look at once wait for each other in no circle.
            rows = select(StudyRecord).where(StudyRecord.id.in_(numbers), is_open()).order_by(StudyRecord.id)
            studies = {study.id: study for study in session.scalars(rows.with_for_update(**LOCK))}
            wanted = [studies[number] for number in numbers if number in studies]
            items = [_current(session, study, now) for study in wanted]
            return _views(session, items)

    def ended(self) -> list[WorkItemView]:
        """Return the work items that ended last, the latest first."""
        item = WorkItemRecord
        latest = select(item).where(item.ended_at.is_not(None)).order_by(item.ended_at.desc()).limit(MOST_ENDED)
        with reading(self._engine) as session:
            return _views(session, session.scalars(latest).all())

    def find(self, sop_instance_uid: str) -> WorkItemView | None:
        """Return a work item as it stands now."""
        with writing(self._engine) as session:
            item = _locked(session, sop_instance_uid, self._clock())
            return _views(session, [item])[0] if item is not None else None

    def change(self, sop_instance_uid: str, wanted: WorkItemState, transaction_uid: str, performer: str) -> Changed:
        """Change a work item's state for its performer; completing it takes the study off the list.

        Parameters
        ----------
        transaction_uid
            The key of the claim: with it the performer claims, and with it alone it goes on.
        """
        now, closed = self._clock(), None
        with writing(self._engine) as session:
            item = _locked(session, sop_instance_uid, now)
            if item is None:
                return Changed(WorkItemStatus.NO_SUCH_WORK_ITEM)
            is_performer = item.transaction_uid == transaction_uid
            answer = answer_to_change(WorkItemState(item.state), wanted, is_performer=is_performer)
            if answer is not WorkItemStatus.SUCCESS:
                return Changed(answer)
            if wanted is WorkItemState.IN_PROGRESS:
                self._begin(session, item, transaction_uid, performer, now)
                return Changed(answer)
            end(session, item, wanted, now)
            if wanted is WorkItemState.CANCELED:
                _note_left(session, item, now)
                return Changed(answer)
            closed = close(session, item.study, CloseSource.UPS, item.performer or "", now, self._subscriptions)
            _note_unseen(session, item, now)
            view = study_views(session, [item.study])[0] if closed is not None else None
        # Behind the commit: what is rolled back was not read.
        if closed is not None and closed.waited is not None:
            self._tally.turn(TO_READ, closed.waited, closed.source, now)
        return Changed(answer, view)

    def set_performed(self, sop_instance_uid: str, transaction_uid: str, said: Mapping[str, Any]) -> WorkItemStatus:
        """Keep what the performer says of its work, beside what it said before; each word renews the claim."""
        now = self._clock()
        with writing(self._engine) as session:
            item = _locked(session, sop_instance_uid, now)
            if item is None:
                return WorkItemStatus.NO_SUCH_WORK_ITEM
            state = WorkItemState(item.state)
            if state.is_final:
                return WorkItemStatus.MAY_NO_LONGER_BE_UPDATED
            if state is WorkItemState.SCHEDULED:
                return WorkItemStatus.NOT_IN_PROGRESS
            if item.transaction_uid != transaction_uid:
                return WorkItemStatus.WRONG_TRANSACTION_UID
            item.performed = {**(item.performed or {}), **said}
            item.claimed_until = now + self._claim_limit
            note(session, item, WorkItemEvent.PROGRESS, now, said)
            return WorkItemStatus.SUCCESS

    def request_cancel(self, sop_instance_uid: str, said: Mapping[str, Any]) -> WorkItemStatus:
        """Tell the performer, if it has subscribed, that somebody asks it to cancel."""
        now = self._clock()
        with writing(self._engine) as session:
            item = _locked(session, sop_instance_uid, now)
            if item is None:
                return WorkItemStatus.NO_SUCH_WORK_ITEM
            match WorkItemState(item.state):
                case WorkItemState.COMPLETED:
                    return WorkItemStatus.COMPLETED_CANNOT_BE_CANCELED
                case WorkItemState.CANCELED:
                    return WorkItemStatus.ALREADY_CANCELED
                case WorkItemState.SCHEDULED:
                    # A study that nobody reads would be gone from the list.
                    return WorkItemStatus.NOT_CANCELED
                case WorkItemState.IN_PROGRESS:
                    told = note(session, item, WorkItemEvent.CANCEL_REQUESTED, now, said)
                    return WorkItemStatus.SUCCESS if told else WorkItemStatus.PERFORMER_CANNOT_BE_CONTACTED

    def end_abandoned(self) -> int:
        """End the claims of whose performers nothing was heard for too long; return how many there were."""
        item, now = WorkItemRecord, self._clock()
        abandoned = select(item.sop_instance_uid).where(item.claimed_until < now - recent_leap())
        with reading(self._engine) as session:
            uids = session.scalars(abandoned).all()
        for uid in uids:
            with writing(self._engine) as session:
                _locked(session, uid, now)
        return len(uids)

    def _begin(
        self, session: Session, item: WorkItemRecord, transaction_uid: str, performer: str, now: datetime
    ) -> None:
        item.state, item.transaction_uid = WorkItemState.IN_PROGRESS.value, transaction_uid
        item.performer, item.claimed_at, item.claimed_until = performer, now, now + self._claim_limit
        note(session, item, WorkItemEvent.STATE, now)
        by = EventDetail.BY_PERSON.of(name=performer)
        record(session, first_image(session, item.study), now, EventKind.READING_CLAIMED, by)


def _current(session: Session, study: StudyRecord, now: datetime) -> WorkItemRecord:
    item = open_item(session, study, now)
    return item if _stands(session, item, now) else open_item(session, study, now)


def _locked(session: Session, sop_instance_uid: str, now: datetime) -> WorkItemRecord | None:
    """Return a work item, its study and itself locked, once what is overdue of it is done."""
    named = WorkItemRecord.sop_instance_uid == sop_instance_uid
    number = session.scalars(select(WorkItemRecord.study_id).where(named)).one_or_none()
    if number is None:
        return None
    session.get_one(StudyRecord, number, with_for_update=LOCK)
    item = session.scalars(select(WorkItemRecord).where(named).with_for_update(**LOCK)).one()
    _stands(session, item, now)
    return item


def _stands(session: Session, item: WorkItemRecord, now: datetime) -> bool:
    """Return whether a work item goes on; a claim that was abandoned is ended."""
    # A clock that was set forward ends no claim, no more than a lease; the sweeper then moves its end.
    if item.claimed_until is None or item.claimed_until >= now - recent_leap():
        return True
    end(session, item, WorkItemState.CANCELED, now)
    _note_left(session, item, now)
    return False


def _note_left(session: Session, item: WorkItemRecord, now: datetime) -> None:
    by = EventDetail.BY_PERSON.of(name=item.performer)
    record(session, first_image(session, item.study), now, EventKind.READING_LEFT, by)


def _note_unseen(session: Session, item: WorkItemRecord, now: datetime) -> None:
    """Note each image that came after the claim: who has read the study may not have seen it."""
    row = InstanceRecord
    later = select(row).where(
        row.study_id == item.study_id, row.received_at > item.claimed_at, row.state.not_in(SILENT)
    )
    for image in session.scalars(later.order_by(row.id)):
        came_after(session, item.study, image, now)


def _views(session: Session, items: Sequence[WorkItemRecord]) -> list[WorkItemView]:
    session.flush()
    studies = {item.study_id: item.study for item in items}
    views = {view.id: view for view in study_views(session, list(studies.values()))}
    return [
        WorkItemView(
            sop_instance_uid=item.sop_instance_uid,
            state=WorkItemState(item.state),
            study=views[item.study_id],
            created_at=item.created_at,
            performer=item.performer,
            claimed_at=item.claimed_at,
            ended_at=item.ended_at,
            performed=item.performed or {},
        )
        for item in items
    ]
