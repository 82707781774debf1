"""Analysis: workers claim images here and bring their results back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Engine, Select
from sqlalchemy.orm import Session

from service.ledger.claims import ClaimedInstance, abandoned, predecessor, settled_later, waiting
from service.ledger.database import reading, writing
from service.ledger.leases import IMAGES, LOCK
from service.ledger.predictions import record_of
from service.ledger.readings import came_after
from service.ledger.records import InstanceRecord, StudyRecord
from service.ledger.rows import (
    advance,
    hold,
    identity_of,
    raise_priority,
    record,
    settle_patient,
    supersede_earlier,
)
from service.ledger.telling import Subscriptions
from service.ledger.version_0_1 import keep_flags
from service.process.clock import Clock
from service.vocabulary.facts import EventKind, Failure, Flag, Hold, MessageEvent, PrioritySource, Reason, Supersession
from service.vocabulary.figures import ANALYSED, OUT_OF_SCOPE, Tally
from service.vocabulary.findings import Prediction
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority, State


class Analysis:
    """Claims, and what becomes of them."""

    def __init__(
        self, engine: Engine, order: ReadingOrder, clock: Clock, tally: Tally, subscriptions: Subscriptions
    ) -> None:
        self._engine = engine
        self._subscriptions = subscriptions
        self._order = order
        self._clock = clock
        self._tally = tally

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
        order = (InstanceRecord.rank_at, InstanceRecord.id)
        with writing(self._engine) as session:
            for row in session.scalars(abandoned(now).order_by(*order).with_for_update(skip_locked=True, **LOCK)):
                _take_back(session, row, now, maximum_attempts, self._subscriptions)
            session.flush()
            rows = IMAGES.claim(session, waiting(), order, limit, owner=owner, now=now, lease=lease)
            return [claimed for row in rows if (claimed := _claimed(session, row, owner, now))]

    def renew(self, claimed: Sequence[ClaimedInstance], lease: timedelta) -> list[ClaimedInstance]:
        """Lengthen the leases of what a worker holds; return what it still holds."""
        with writing(self._engine) as session:
            return IMAGES.renew(session, claimed, self._clock(), lease)

    def release(self, claim: ClaimedInstance, *, retry_at: datetime | None = None, detail: str | None = None) -> None:
        """Give an image back unharmed: the worker is stopping, or a resource that it needs is unavailable."""
        with writing(self._engine) as session:
            row = IMAGES.held(session, claim, [State.CLAIMED])
            IMAGES.give_back(row)
            if retry_at is not None:
                IMAGES.put_off(row, retry_at, self._clock())
            advance(session, row, State.RECEIVED, self._clock(), EventKind.GIVEN_BACK, detail)

    def save_prediction(
        self,
        claim: ClaimedInstance,
        prediction: Prediction,
        *,
        pixel_digest: str,
        flags: Sequence[Flag],
        priority: Priority,
        superseding_reason: Supersession | None = None,
        reused: bool = False,
    ) -> None:
        """Keep a prediction; the reports are due, and the study's priority may rise.

        Raises
        ------
        LeaseLost
            When another worker has the image by now; its result stands, this one is dropped.
        """
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, flags)
            row.is_chest = True
            if superseding_reason is not None:
                supersede_earlier(session, row, superseding_reason, now, self._subscriptions)
            session.add(record_of(prediction, row.id, now, reused))
            advance(
                session,
                row,
                State.INFERRED,
                now,
                EventKind.PREDICTION_REUSED if reused else EventKind.INFERRED,
                prediction.outcome.value,
            )
            row.reports_due = True
            study = _study_of(session, row)
            came_after(session, study, row, now)
            rose = raise_priority(study, priority, PrioritySource.PREDICTION, self._order)
            self._subscriptions.tell(session, MessageEvent.RESULT, study, row, now)
            if rose:
                self._subscriptions.tell(session, MessageEvent.PRIORITY_RAISED, study, row, now)
            settle_patient(session, study, row, now)
        self._tally.count(ANALYSED, prediction.outcome.value)

    def save_out_of_scope(
        self,
        claim: ClaimedInstance,
        reason: Reason,
        *,
        is_chest: bool,
        pixel_digest: str | None,
        flags: Sequence[Flag],
        superseding_reason: Supersession | None = None,
    ) -> None:
        """Keep the reason why an image is not analysed; a report of it may be due."""
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, flags)
            row.is_chest = is_chest
            row.reason = reason.value
            if superseding_reason is not None:
                supersede_earlier(session, row, superseding_reason, now, self._subscriptions)
            advance(session, row, State.OUT_OF_SCOPE, now, EventKind.OUT_OF_SCOPE, reason.value)
            row.reports_due = True
            study = _study_of(session, row)
            came_after(session, study, row, now)
            self._subscriptions.tell(session, MessageEvent.RESULT, study, row, now)
        self._tally.count(OUT_OF_SCOPE, reason.value)

    def save_failure(self, claim: ClaimedInstance, detail: str, maximum_attempts: int, retry_at: datetime) -> None:
        """Record that an attempt failed: the image waits for another, or fails after the last."""
        now = self._clock()
        with writing(self._engine) as session:
            row = IMAGES.held(session, claim, [State.CLAIMED])
            if row.attempts >= maximum_attempts:
                _fail(session, row, detail, now, self._subscriptions)
            else:
                IMAGES.put_off(row, retry_at, now)
                advance(session, row, State.RECEIVED, now, EventKind.ATTEMPT_FAILED, detail)

    def save_duplicate(self, claim: ClaimedInstance, pixel_digest: str) -> None:
        """Record that a version is, in pixels and identity, the one before it."""
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, ())
            advance(
                session,
                row,
                State.DUPLICATE,
                now,
                EventKind.DUPLICATE,
                "same pixels and identity as the version before",
            )
            settle_patient(session, _study_of(session, row), row, now)

    def save_held(self, claim: ClaimedInstance, pixel_digest: str) -> None:
        """Hold an image, and its study, that would replace another patient's image under the same UID."""
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, ())
            row.hold = Hold.CLASHING_INSTANCE.value
            advance(session, row, State.HELD, now, EventKind.HELD, row.hold)
            study = _study_of(session, row)
            hold(study, Hold.CLASHING_INSTANCE, now)
            came_after(session, study, row, now)

    def _finish(
        self, session: Session, claim: ClaimedInstance, now: datetime, pixel_digest: str | None, flags: Sequence[Flag]
    ) -> InstanceRecord:
        row = IMAGES.held(session, claim, [State.CLAIMED])
        row.pixel_digest = pixel_digest
        keep_flags(row, flags)
        row.analysed_at = now
        row.reason = row.detail = None
        row.attempts, row.not_before = 0, None  # from here on, of building the reports
        return row


def _any(session: Session, rows: Select[InstanceRecord]) -> bool:
    return session.scalars(rows.limit(1)).first() is not None


def _claimed(session: Session, row: InstanceRecord, owner: str, now: datetime) -> ClaimedInstance | None:
    """Return what a worker is told of an image that it took; None when a later version stands for it already."""
    if (later := settled_later(session, row)) is not None:
        advance(
            session, row, State.SUPERSEDED, now, EventKind.SUPERSEDED, f"by version {later}, which is settled already"
        )
        return None
    advance(session, row, State.CLAIMED, now, EventKind.CLAIMED, f"by {owner}")
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
    )


def _take_back(
    session: Session, row: InstanceRecord, now: datetime, maximum_attempts: int, subscriptions: Subscriptions
) -> None:
    """Take an image from a worker whose lease is over."""
    if row.attempts >= maximum_attempts:
        record(session, row, now, EventKind.LEASE_EXPIRED, f"of {row.lease_owner}")
        _fail(session, row, f"given up after {row.attempts} attempts", now, subscriptions)
    else:
        advance(session, row, State.RECEIVED, now, EventKind.LEASE_EXPIRED, f"of {row.lease_owner}")


def _fail(session: Session, row: InstanceRecord, detail: str, now: datetime, subscriptions: Subscriptions) -> None:
    row.reason, row.detail, row.analysed_at, row.attempts = Failure.ANALYSIS_FAILED.value, detail, now, 0
    row.not_before = None
    # What an earlier version says may be of another identity: it must not go out in place of this one.
    supersede_earlier(session, row, Supersession.LATER_FAILED, now, subscriptions)
    advance(session, row, State.FAILED, now, EventKind.FAILED, detail)
    row.is_chest = True  # not known, and silence would read as normal: so the report is due as for a chest image
    row.reports_due = True
    study = _study_of(session, row)
    came_after(session, study, row, now)
    subscriptions.tell(session, MessageEvent.RESULT, study, row, now)


def _study_of(session: Session, row: InstanceRecord) -> StudyRecord:
    """Return an instance's study, locked after it."""
    return session.get_one(StudyRecord, row.study_id, with_for_update=LOCK)
