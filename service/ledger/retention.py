"""Retention: which objects may go, and that they went.

An object goes only when nothing is due with it any more. First its rows say so, durably; then it is removed. A crash in
between leaves an object that no row needs, which a later sweep removes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, and_, exists, not_, or_, select
from sqlalchemy.orm import Session, aliased

from service.ledger import keys as object_keys
from service.ledger.database import reading, writing
from service.ledger.leases import IMAGES, OBJECTS
from service.ledger.message_records import MessageRecord
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.ledger.rows import identity_of, record
from service.ledger.shadow import both_alike, is_shadowed
from service.process.clock import Clock
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import EventKind
from service.vocabulary.identity import Identity
from service.vocabulary.states import CALLED_OFF, DeliveryState, State

#: Nothing more happens to such a version by itself, or by a person's `auscult retry`.
_FINAL = (State.DELIVERED, State.OUT_OF_SCOPE, State.DUPLICATE, State.SUPERSEDED, State.OWN)
_UNDER_WAY = (State.RECEIVED, State.CLAIMED, State.INFERRED, State.HELD)


@dataclass(frozen=True)
class Unneeded:
    """Keys of objects that no row needs.

    Attributes
    ----------
    removed
        Those whose rows say that they are removed.
    orphans
        Those that no row names at all.
    """

    removed: frozenset[str]
    orphans: frozenset[str]


@dataclass(frozen=True)
class Marked:
    """An instance that is marked as removed, with its reports.

    Attributes
    ----------
    keys
        Of its object, and of its reports'.
    sop_classes
        SOP Class UID by SOP Instance UID, of itself and of its reports.
    """

    identity: Identity
    keys: tuple[str, ...]
    sop_classes: Mapping[str, str]


class Retention:
    """Marks what may go, and has it removed."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def mark(self, received_before: datetime, limit: int, tell: Callable[[Marked], None]) -> list[Marked]:
        """Mark the oldest settled instances as removed, with their reports.

        Parameters
        ----------
        tell
            Is told of each before the mark counts: a crash in between tells of one that is still there, never the
            other way round.
        """
        now = self._clock()
        # A look without a lock first: most rounds find nothing that may go, and a backlog must not wait for them.
        with reading(self._engine) as session:
            if session.scalars(select(InstanceRecord.id).where(_may_go(received_before, now)).limit(1)).first() is None:
                return []
        with writing(self._engine) as session:
            rows = session.scalars(
                select(InstanceRecord)
                .where(_may_go(received_before, now))
                .order_by(InstanceRecord.received_at, InstanceRecord.id)
                .limit(limit)
                .with_for_update(skip_locked=True)
            ).all()
            marked = []
            for row in rows:
                keys = object_keys.mark_removed(session, row, now)
                marked.append(Marked(identity_of(row), tuple(keys), _sop_classes(session, row)))
                record(session, row, now, EventKind.BYTES_REMOVED, EventDetail.NOT_NEEDED.of())
                tell(marked[-1])
            return marked

    def remove(self, key: str, remove: Callable[[], int]) -> int:
        """Have an object removed unless a row needs it; return the bytes freed.

        Nobody can begin to name the object while this looks and removes.
        """
        with writing(self._engine) as session:
            object_keys.lock(session, key)
            return 0 if object_keys.needed(session, [key]) else remove()

    def unneeded(self, keys: Sequence[str]) -> Unneeded:
        """Return those of the keys that no row needs; a look that takes no lock."""
        with reading(self._engine) as session:
            needed, known = object_keys.needed(session, keys), object_keys.known(session, keys)
        return Unneeded(removed=frozenset(known - needed), orphans=frozenset(set(keys) - known))


def _sop_classes(session: Session, instance: InstanceRecord) -> dict[str, str]:
    reports = select(ReportRecord.sop_instance_uid, ReportRecord.sop_class_uid).where(
        ReportRecord.instance_id == instance.id
    )
    return {instance.sop_instance_uid: instance.sop_class_uid} | {
        report.sop_instance_uid: report.sop_class_uid for report in session.execute(reports)
    }


def _may_go(received_before: datetime, now: datetime) -> ColumnElement[bool]:
    """Return the condition on instances whose bytes nobody needs any more.

    A worker that died leaves its lease on what nobody takes again, such as a report that was withdrawn: one that is
    over keeps nothing.
    """
    row = InstanceRecord
    return and_(
        row.object_removed_at.is_(None),
        row.received_at < received_before,
        or_(row.state.in_([state.value for state in _FINAL]), is_shadowed() & (row.state == State.REPORTED.value)),
        row.reports_due.is_(False),
        IMAGES.is_free(now),
        # An image out of scope keeps a detail where its report could not be built: a person is called for.
        or_(row.state != State.OUT_OF_SCOPE.value, row.detail.is_(None)),
        not_(_is_unsettled(now)),
        not_(_is_to_be_told()),
        not_(_is_held()),
        not_(_has_version_under_way()),
    )


def _is_unsettled(now: datetime) -> ColumnElement[bool]:
    """Return whether a report of the instance is still to reach a destination, or to be asked for there.

    One whose destination took it, and is not asked or cannot say, is settled, and so is one that a person gave up:
    nothing would ever send it again.
    """
    taken = [DeliveryState.SENT.value, DeliveryState.UNCONFIRMABLE.value, DeliveryState.CONFIRMED.value]
    return exists(
        select(DeliveryRecord.id)
        .join(ReportRecord)
        .where(
            ReportRecord.instance_id == InstanceRecord.id,
            or_(
                DeliveryRecord.state.not_in([*taken, *(state.value for state in CALLED_OFF)]),
                not_(OBJECTS.is_free(now)),
                # It will be asked for, and sent again where it is not held.
                and_(DeliveryRecord.state.in_(taken), DeliveryRecord.next_attempt_at.is_not(None)),
            ),
        )
    )


def _is_to_be_told() -> ColumnElement[bool]:
    """Return whether a message of the instance has not reached a destination that it is for."""
    settled = [DeliveryState.CONFIRMED.value, DeliveryState.WITHDRAWN.value]
    return exists(
        select(MessageRecord.id).where(
            MessageRecord.instance_id == InstanceRecord.id, MessageRecord.state.not_in(settled)
        )
    )


def _is_held() -> ColumnElement[bool]:
    return exists(
        select(StudyRecord.id).where(StudyRecord.id == InstanceRecord.study_id, StudyRecord.held_reason.is_not(None))
    )


def _has_version_under_way() -> ColumnElement[bool]:
    """Return whether a report is still to be built that may take the place of one of this instance."""
    other = aliased(InstanceRecord)
    return exists(
        select(other.id).where(
            other.sop_instance_uid == InstanceRecord.sop_instance_uid,
            both_alike(other, InstanceRecord),
            or_(other.state.in_([state.value for state in _UNDER_WAY]), other.reports_due.is_(True)),
        )
    )
