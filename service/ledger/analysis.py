"""Analysis: workers claim images here, give them back, or give them up; what they find out is kept by `results`."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, Select
from sqlalchemy.orm import Session

from service.ledger.claims import ClaimedInstance, abandoned, predecessor, settled_later, waiting
from service.ledger.database import reading, writing
from service.ledger.leases import IMAGES, LOCK, lock_study_images
from service.ledger.orders import birth_date_of
from service.ledger.readings import came_after
from service.ledger.records import InstanceRecord
from service.ledger.rows import advance, identity_of, record, study_of
from service.ledger.superseding import supersede_earlier
from service.ledger.telling import Subscriptions
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail, EventFacts
from service.vocabulary.facts import EventKind, Failure, MessageEvent, Supersession
from service.vocabulary.states import State


class Analysis:
    """The queue of images that wait for a worker."""

    def __init__(self, engine: Engine, clock: Clock, subscriptions: Subscriptions) -> None:
        self._engine = engine
        self._clock = clock
        self._subscriptions = subscriptions

    def any_due(self) -> bool:
        """Return whether an image waits for a worker; a look that takes no lock."""
        now = self._clock()
        with reading(self._engine) as session:
            return IMAGES.any_due(session, waiting(), now) or _any(session, abandoned(now))

    def claim(self, owner: str, limit: int, lease: timedelta, maximum_attempts: int) -> list[ClaimedInstance]:
        """Take the most urgent images that nobody holds.

        An image whose earlier version is still under way waits for it. An image that has cost `maximum_attempts`
        workers their lease is given up: it fails, and its report says that it was not analysed. One that a person let
        go when a later version was settled already is superseded by that: its report would replace a newer one.
        """
        if not self.any_due():
            return []
        now = self._clock()
        self._take_back(now, maximum_attempts)
        order = (InstanceRecord.rank_at, InstanceRecord.id)
        with writing(self._engine) as session:
            rows = IMAGES.claim(session, waiting(), order, limit, owner=owner, now=now, lease=lease)
            return [claimed for row in rows if (claimed := _claimed(session, row, owner, now))]

    def _take_back(self, now: datetime, maximum_attempts: int) -> None:
        """Take the images back whose workers' leases are over, each in a transaction of its own.

        One that is given up takes the place of what was said before: whatever tells of its study is locked first.
        """
        with reading(self._engine) as session:
            found = session.execute(abandoned(now).with_only_columns(InstanceRecord.id, InstanceRecord.attempts)).all()
        for number, attempts in found:
            with writing(self._engine) as session:
                if attempts >= maximum_attempts:
                    lock_study_images(session, number)
                still = abandoned(now).where(InstanceRecord.id == number).with_for_update(skip_locked=True, **LOCK)
                row = session.scalars(still).one_or_none()
                if row is not None:
                    _take_back(session, row, now, maximum_attempts, self._subscriptions)

    def renew(self, claimed: Sequence[ClaimedInstance], lease: timedelta) -> list[ClaimedInstance]:
        """Lengthen the leases of what a worker holds; return what it still holds."""
        with writing(self._engine) as session:
            return IMAGES.renew(session, claimed, self._clock(), lease)

    def release(self, claim: ClaimedInstance, *, retry_at: datetime | None = None, detail: EventFacts | str) -> None:
        """Give an image back unharmed: the worker is stopping, or a resource that it needs is unavailable."""
        with writing(self._engine) as session:
            row = IMAGES.held(session, claim, [State.CLAIMED])
            IMAGES.give_back(row)
            if retry_at is not None:
                IMAGES.put_off(row, retry_at, self._clock())
            advance(session, row, State.RECEIVED, self._clock(), EventKind.GIVEN_BACK, detail)

    def save_failure(self, claim: ClaimedInstance, detail: str, maximum_attempts: int, retry_at: datetime) -> None:
        """Record that an attempt failed: the image waits for another, or fails after the last."""
        now = self._clock()
        with writing(self._engine) as session:
            if claim.attempt >= maximum_attempts:
                lock_study_images(session, claim.id)
            row = IMAGES.held(session, claim, [State.CLAIMED])
            if row.attempts >= maximum_attempts:
                _fail(session, row, detail, now, self._subscriptions)
            else:
                IMAGES.put_off(row, retry_at, now)
                advance(session, row, State.RECEIVED, now, EventKind.ATTEMPT_FAILED, detail)


def _any(session: Session, rows: Select[InstanceRecord]) -> bool:
    return session.scalars(rows.limit(1)).first() is not None


def _claimed(session: Session, row: InstanceRecord, owner: str, now: datetime) -> ClaimedInstance | None:
    """Return what a worker is told of an image that it took; None when a later version stands for it already."""
    if (later := settled_later(session, row)) is not None:
        by = EventDetail.BY_SETTLED_VERSION.of(version=later)
        advance(session, row, State.SUPERSEDED, now, EventKind.SUPERSEDED, by)
        return None
    advance(session, row, State.CLAIMED, now, EventKind.CLAIMED, EventDetail.BY_WORKER.of(worker=owner))
    return ClaimedInstance(
        id=row.id,
        owner=owner,
        sop_instance_uid=row.sop_instance_uid,
        version=row.version,
        identity=identity_of(row),
        identity_digest=row.identity_digest,
        object_key=row.object_key,
        attempt=row.attempts,
        received_at=row.received_at,
        released=row.hold is not None and row.released_at is not None,
        again=row.reanalysis_asked_at is not None,
        predecessor=predecessor(session, row),
        ordered_birth_date=birth_date_of(session, row.study_id, identity_of(row)),
    )


def _take_back(
    session: Session, row: InstanceRecord, now: datetime, maximum_attempts: int, subscriptions: Subscriptions
) -> None:
    """Take an image from a worker whose lease is over."""
    of = EventDetail.OF_WORKER.of(worker=row.lease_owner)
    if row.attempts >= maximum_attempts:
        record(session, row, now, EventKind.LEASE_EXPIRED, of)
        _fail(session, row, EventDetail.AFTER_ATTEMPTS.of(attempts=row.attempts), now, subscriptions)
    else:
        advance(session, row, State.RECEIVED, now, EventKind.LEASE_EXPIRED, of)


def _fail(
    session: Session, row: InstanceRecord, detail: EventFacts | str, now: datetime, subscriptions: Subscriptions
) -> None:
    row.reason, row.analysed_at, row.attempts = Failure.ANALYSIS_FAILED.value, now, 0
    row.detail = detail if isinstance(detail, str) else None
    row.not_before = None
    row.is_chest = True  # not known, and silence would read as normal: so the report is due as for a chest image
    # What an earlier version says may be of another identity: it must not go out in place of this one.
    supersede_earlier(session, row, Supersession.LATER_FAILED, now, subscriptions)
    study = study_of(session, row)
    advance(session, row, State.FAILED, now, EventKind.FAILED, detail)
    row.reports_due = True
    came_after(session, study, row, now)
    subscriptions.tell(session, MessageEvent.RESULT, study, row, now)
