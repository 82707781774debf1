"""The analysis desk: workers claim images here and bring their results back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Engine, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from service.core.clock import Clock
from service.core.database import reading, writing
from service.core.findings import Prediction
from service.core.identity import Identity
from service.core.ledger.predictions import prediction_of, record_of
from service.core.ledger.rows import (
    CLASHING_INSTANCE,
    advance,
    identity_of,
    leased,
    raise_priority,
    record,
    settle_patient,
    supersede_earlier,
)
from service.core.reading_order import ReadingOrder
from service.core.records import InstanceRecord, StudyRecord
from service.core.states import Priority, State

ANALYSIS_FAILED = "analysis_failed"
RELEASED = "released by a person"
_NEVER_IN_FORCE = (State.DUPLICATE, State.HELD, State.OWN)


@dataclass(frozen=True)
class Predecessor:
    """The version of the instance that was in force before the claimed one."""

    identity: Identity
    identity_digest: str
    pixel_digest: str | None
    state: State
    prediction: Prediction | None


@dataclass(frozen=True)
class ClaimedInstance:
    """An image that one worker holds under a lease."""

    id: int
    owner: str
    sop_instance_uid: str
    version: int
    identity: Identity
    identity_digest: str
    object_key: str
    attempt: int
    received_at: datetime
    released: bool
    predecessor: Predecessor | None


class Analysis:
    """Claims, and what becomes of them."""

    def __init__(self, engine: Engine, order: ReadingOrder, clock: Clock) -> None:
        self._engine = engine
        self._order = order
        self._clock = clock

    def any_due(self) -> bool:
        """Return whether an image waits for a worker; a look that takes no lock."""
        with reading(self._engine) as session:
            return (
                session.scalars(select(InstanceRecord.id).where(_claimable(self._clock())).limit(1)).first() is not None
            )

    def claim(self, owner: str, limit: int, lease: timedelta, maximum_attempts: int) -> list[ClaimedInstance]:
        """Take the most urgent images that nobody holds.

        An image whose earlier version is still under way waits for it. An image that has cost `maximum_attempts`
        workers their lease is given up: it fails, and its report says that it was not analysed. One that a person let
        go when a later version was settled already is superseded by that: its report would replace a newer one.
        """
        if not self.any_due():
            return []
        now = self._clock()
        with writing(self._engine) as session:
            rows = session.scalars(
                select(InstanceRecord)
                .where(_claimable(now))
                .order_by(InstanceRecord.rank_at, InstanceRecord.id)
                .limit(limit)
                .with_for_update(skip_locked=True)
            ).all()
            return [
                claimed for row in rows if (claimed := self._take(session, row, owner, now + lease, maximum_attempts))
            ]

    def _take(
        self, session: Session, row: InstanceRecord, owner: str, until: datetime, maximum_attempts: int
    ) -> ClaimedInstance | None:
        now = self._clock()
        if row.state == State.CLAIMED.value:
            if row.attempts >= maximum_attempts:
                record(session, row, now, "lease expired", f"of {row.lease_owner}")
                self._fail(session, row, f"given up after {row.attempts} attempts", now)
                return None
            advance(session, row, State.RECEIVED, now, "lease expired", f"of {row.lease_owner}")
        if (later := _settled_later(session, row)) is not None:
            advance(session, row, State.SUPERSEDED, now, "superseded", f"by version {later}, which is settled already")
            return None
        advance(session, row, State.CLAIMED, now, "claimed", f"by {owner}")
        row.lease_owner, row.lease_until = owner, until
        row.attempts += 1
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
            released=RELEASED in row.flags,
            predecessor=_predecessor(session, row),
        )

    def renew(self, claimed: Sequence[ClaimedInstance], lease: timedelta) -> None:
        """Lengthen the leases that a worker still holds."""
        with writing(self._engine) as session:
            for claim in claimed:
                row = session.get(InstanceRecord, claim.id, with_for_update=True)
                if row is not None and row.lease_owner == claim.owner and row.state == State.CLAIMED.value:
                    row.lease_until = self._clock() + lease

    def release(self, claim: ClaimedInstance, *, retry_at: datetime | None = None, detail: str | None = None) -> None:
        """Give an image back unharmed: the worker is stopping, or a resource that it needs is unavailable."""
        with writing(self._engine) as session:
            row = leased(session, claim.id, claim.owner, [State.CLAIMED])
            row.attempts -= 1
            row.not_before = retry_at
            advance(session, row, State.RECEIVED, self._clock(), "released", detail)

    def save_prediction(
        self,
        claim: ClaimedInstance,
        prediction: Prediction,
        *,
        pixel_digest: str,
        flags: Sequence[str],
        priority: Priority,
        superseding_reason: str | None = None,
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
                supersede_earlier(session, row, superseding_reason, now)
            session.add(record_of(prediction, row.id, now, reused))
            advance(
                session,
                row,
                State.INFERRED,
                now,
                "prediction reused" if reused else "inferred",
                prediction.outcome.value,
            )
            row.reports_due = True
            study = session.get_one(StudyRecord, row.study_id, with_for_update=True)
            raise_priority(study, priority, "prediction", self._order)
            settle_patient(session, study, row, now)

    def save_out_of_scope(
        self,
        claim: ClaimedInstance,
        reason: str,
        *,
        is_chest: bool,
        pixel_digest: str | None,
        flags: Sequence[str],
        superseding_reason: str | None = None,
    ) -> None:
        """Keep the reason why an image is not analysed; a report of it may be due."""
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, flags)
            row.is_chest = is_chest
            row.reason = reason
            if superseding_reason is not None:
                supersede_earlier(session, row, superseding_reason, now)
            advance(session, row, State.OUT_OF_SCOPE, now, "out of scope", reason)
            row.reports_due = True

    def save_failure(self, claim: ClaimedInstance, detail: str, maximum_attempts: int, retry_at: datetime) -> None:
        """Record that an attempt failed: the image waits for another, or fails after the last."""
        now = self._clock()
        with writing(self._engine) as session:
            row = leased(session, claim.id, claim.owner, [State.CLAIMED])
            if row.attempts >= maximum_attempts:
                self._fail(session, row, detail, now)
            else:
                row.not_before = retry_at
                advance(session, row, State.RECEIVED, now, "attempt failed", detail)

    def save_duplicate(self, claim: ClaimedInstance, pixel_digest: str) -> None:
        """Record that a version is, in pixels and identity, the one before it."""
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, ())
            advance(session, row, State.DUPLICATE, now, "duplicate", "same pixels and identity as the version before")
            settle_patient(session, session.get_one(StudyRecord, row.study_id, with_for_update=True), row, now)

    def save_held(self, claim: ClaimedInstance, pixel_digest: str) -> None:
        """Hold an image, and its study, that would replace another patient's image under the same UID."""
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, ())
            advance(session, row, State.HELD, now, "held", CLASHING_INSTANCE)
            session.get_one(StudyRecord, row.study_id, with_for_update=True).held_reason = CLASHING_INSTANCE

    def _finish(
        self, session: Session, claim: ClaimedInstance, now: datetime, pixel_digest: str | None, flags: Sequence[str]
    ) -> InstanceRecord:
        row = leased(session, claim.id, claim.owner, [State.CLAIMED])
        row.pixel_digest = pixel_digest
        row.flags = [*flags]
        row.analysed_at = now
        row.reason = row.detail = None
        row.attempts = 0  # from here on, of building the reports
        return row

    def _fail(self, session: Session, row: InstanceRecord, detail: str, now: datetime) -> None:
        row.reason, row.detail, row.analysed_at, row.attempts = ANALYSIS_FAILED, detail, now, 0
        advance(session, row, State.FAILED, now, "failed", detail)
        row.is_chest = True  # not known, and silence would read as normal: so the report is due as for a chest image
        row.reports_due = True


def _claimable(now: datetime) -> ColumnElement[bool]:
    """Return the condition on images that a worker may take."""
    earlier = aliased(InstanceRecord)
    under_way = [State.RECEIVED.value, State.CLAIMED.value]
    waits_for_earlier = exists(
        select(earlier.id).where(
            earlier.sop_instance_uid == InstanceRecord.sop_instance_uid,
            earlier.version < InstanceRecord.version,
            earlier.state.in_(under_way),
        )
    )
    waiting = and_(
        InstanceRecord.state == State.RECEIVED.value,
        or_(InstanceRecord.not_before.is_(None), InstanceRecord.not_before <= now),
    )
    abandoned = and_(InstanceRecord.state == State.CLAIMED.value, InstanceRecord.lease_until < now)
    return and_(or_(waiting, abandoned), ~waits_for_earlier)


def _settled_later(session: Session, row: InstanceRecord) -> int | None:
    """Return the last version of an instance after a row, if one was settled before it and stands for the instance."""
    under_way = [State.RECEIVED, State.CLAIMED]
    return session.scalars(
        select(InstanceRecord.version)
        .where(
            InstanceRecord.sop_instance_uid == row.sop_instance_uid,
            InstanceRecord.version > row.version,
            InstanceRecord.state.not_in([state.value for state in (*under_way, *_NEVER_IN_FORCE)]),
        )
        .order_by(InstanceRecord.version.desc())
        .limit(1)
    ).one_or_none()


def _predecessor(session: Session, row: InstanceRecord) -> Predecessor | None:
    """Return the version in force before a row; duplicates and held versions never were."""
    earlier = session.scalars(
        select(InstanceRecord)
        .where(
            InstanceRecord.sop_instance_uid == row.sop_instance_uid,
            InstanceRecord.version < row.version,
            InstanceRecord.state.not_in([state.value for state in _NEVER_IN_FORCE]),
        )
        .order_by(InstanceRecord.version.desc())
        .limit(1)
    ).one_or_none()
    if earlier is None:
        return None
    return Predecessor(
        identity=identity_of(earlier),
        identity_digest=earlier.identity_digest,
        pixel_digest=earlier.pixel_digest,
        state=State(earlier.state),
        prediction=prediction_of(earlier.prediction) if earlier.prediction else None,
    )
