"""What came of an image that a worker took: a prediction, or why there is none; and the results that were kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, select
from sqlalchemy.orm import Session

from service.ledger.acquisitions import note_distance
from service.ledger.claims import ClaimedInstance
from service.ledger.database import reading, writing
from service.ledger.leases import IMAGES, lock_study_images
from service.ledger.predictions import prediction_of, record_of
from service.ledger.readings import came_after
from service.ledger.records import InstanceRecord, PredictionRecord
from service.ledger.rows import advance, hold, raise_priority, settle_patient, study_of
from service.ledger.shadow import is_shadowed
from service.ledger.superseding import supersede_earlier
from service.ledger.telling import Subscriptions
from service.ledger.version_0_1 import keep_flags
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind, Flag, Hold, MessageEvent, PrioritySource, Reason, Supersession
from service.vocabulary.figures import ANALYSED, OUT_OF_SCOPE, TO_FLAG, Tally
from service.vocabulary.findings import Prediction
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority, State


@dataclass(frozen=True)
class RecordedResult:
    """A prediction, the key of the object that it was computed from, and when retention removed that, if it did."""

    object_key: str
    object_removed_at: datetime | None
    prediction: Prediction


class Results:
    """Keeps what a worker found out about an image, and returns it, so that it can be computed again.

    Each `save` method raises `LeaseLost` when another worker has the image by now; its result stands, this one is
    dropped.
    """

    def __init__(
        self, engine: Engine, order: ReadingOrder, clock: Clock, tally: Tally, subscriptions: Subscriptions
    ) -> None:
        self._engine = engine
        self._order = order
        self._clock = clock
        self._tally = tally
        self._subscriptions = subscriptions

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
        distance: float | None = None,
    ) -> None:
        """Keep a prediction; the reports are due, and the study's priority may rise.

        Parameters
        ----------
        distance
            How far the network finds the image from those that it was trained on; None where it cannot tell.
        """
        now = self._clock()
        with writing(self._engine) as session:
            if superseding_reason is not None:
                lock_study_images(session, claim.id)
            row = self._finish(session, claim, now, pixel_digest, flags)
            row.is_chest = True
            if superseding_reason is not None:
                supersede_earlier(session, row, superseding_reason, now, self._subscriptions)
            # Last of the rows locked here (ADR 0022), before the line that a result's number in its study counts.
            study = study_of(session, row)
            session.add(record_of(prediction, row.id, now, reused))
            note_distance(session, row, distance, prediction.checkpoint_digest)
            advance(
                session,
                row,
                State.INFERRED,
                now,
                EventKind.PREDICTION_REUSED if reused else EventKind.INFERRED,
                EventDetail.OUTCOME.of(outcome=prediction.outcome.value),
            )
            row.reports_due = True
            came_after(session, study, row, now)
            rose = row.shadow_id is None and raise_priority(study, priority, PrioritySource.PREDICTION, self._order)
            self._subscriptions.tell(session, MessageEvent.RESULT, study, row, now)
            if rose:
                self._subscriptions.tell(session, MessageEvent.PRIORITY_RAISED, study, row, now)
            settle_patient(session, study, row, now)
            # Behind the commit: a result that is rolled back was not found out.
            waited, source = now - row.received_at, row.calling_ae_title
        self._tally.count(ANALYSED, prediction.outcome.value)
        self._tally.turn(TO_FLAG, waited, source, now)

    def save_out_of_scope(
        self,
        claim: ClaimedInstance,
        reason: Reason,
        *,
        is_chest: bool,
        pixel_digest: str | None,
        flags: Sequence[Flag],
        superseding_reason: Supersession | None = None,
        distance: float | None = None,
        checkpoint_digest: str | None = None,
    ) -> None:
        """Keep the reason why an image is not analysed, and which checkpoint found a distance; a report may be due."""
        now = self._clock()
        with writing(self._engine) as session:
            if superseding_reason is not None:
                lock_study_images(session, claim.id)
            row = self._finish(session, claim, now, pixel_digest, flags)
            row.is_chest = is_chest
            row.reason = reason.value
            if superseding_reason is not None:
                supersede_earlier(session, row, superseding_reason, now, self._subscriptions)
            study = study_of(session, row)
            note_distance(session, row, distance, checkpoint_digest)
            why = EventDetail.REASON.of(reason=reason.value)
            advance(session, row, State.OUT_OF_SCOPE, now, EventKind.OUT_OF_SCOPE, why)
            row.reports_due = True
            came_after(session, study, row, now)
            self._subscriptions.tell(session, MessageEvent.RESULT, study, row, now)
        self._tally.count(OUT_OF_SCOPE, reason.value)

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
                EventDetail.SAME_IMAGE.of(),
            )
            settle_patient(session, study_of(session, row), row, now)

    def save_held(self, claim: ClaimedInstance, pixel_digest: str) -> None:
        """Hold an image, and its study, that would replace another patient's image under the same UID."""
        now = self._clock()
        with writing(self._engine) as session:
            row = self._finish(session, claim, now, pixel_digest, ())
            row.hold = Hold.CLASHING_INSTANCE.value
            advance(session, row, State.HELD, now, EventKind.HELD, EventDetail.HOLD.of(hold=row.hold))
            study = study_of(session, row)
            if row.shadow_id is None:
                hold(study, Hold.CLASHING_INSTANCE, now)
            came_after(session, study, row, now)

    def latest(self, sop_instance_uid: str, version: int | None = None) -> RecordedResult | None:
        """Return the result of a version, by default of the latest that has one; one in shadow where no other has."""
        with reading(self._engine) as session:
            row = session.scalars(
                select(PredictionRecord)
                .join(InstanceRecord)
                .where(InstanceRecord.sop_instance_uid == sop_instance_uid, *_numbered(version))
                .order_by(is_shadowed(), InstanceRecord.version.desc())
                .limit(1)
            ).first()
            if row is None:
                return None
            return RecordedResult(row.instance.object_key, row.instance.object_removed_at, prediction_of(row))

    def _finish(
        self, session: Session, claim: ClaimedInstance, now: datetime, pixel_digest: str | None, flags: Sequence[Flag]
    ) -> InstanceRecord:
        # Locks the row or finds the lease lost: from here on nobody else can settle this image.
        row = IMAGES.held(session, claim, [State.CLAIMED])
        row.pixel_digest = pixel_digest
        keep_flags(row, flags)
        row.analysed_at = now
        row.reason = row.detail = None
        row.attempts, row.not_before = 0, None  # from here on, of building the reports
        return row


def _numbered(version: int | None) -> list[ColumnElement[bool]]:
    return [] if version is None else [InstanceRecord.version == version]
