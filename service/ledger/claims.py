"""What a worker may claim, and what it is told of the version that was in force before."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session, aliased

from service.ledger.leases import IMAGES, UNDER_WAY, is_under_way
from service.ledger.predictions import prediction_of
from service.ledger.records import InstanceRecord
from service.ledger.rows import identity_of
from service.ledger.shadow import alike, both_alike
from service.ledger.version_0_1 import flags_of
from service.vocabulary.facts import Flag
from service.vocabulary.findings import Prediction
from service.vocabulary.identity import Identity
from service.vocabulary.states import State

_NEVER_IN_FORCE = (State.DUPLICATE, State.HELD, State.OWN)


@dataclass(frozen=True)
class Predecessor:
    """The version of the instance that was in force before the claimed one."""

    identity: Identity
    identity_digest: str
    pixel_digest: str | None
    state: State
    flags: tuple[Flag, ...]
    prediction: Prediction | None


@dataclass(frozen=True)
class ClaimedInstance:
    """An image that one worker holds under a lease.

    Attributes
    ----------
    ordered_birth_date
        The patient's birth date by the order, YYYYMMDD, where the image has none; else empty.
    """

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
    again: bool
    predecessor: Predecessor | None
    ordered_birth_date: str = ""


@cache  # made once: a worker asks for it every few seconds
def waiting() -> Select[InstanceRecord]:
    """Return the images that wait for a worker; one whose earlier version is under way waits for that first."""
    earlier = aliased(InstanceRecord)
    waits_for_earlier = exists(
        select(earlier.id).where(
            earlier.sop_instance_uid == InstanceRecord.sop_instance_uid,
            earlier.version < InstanceRecord.version,
            both_alike(earlier, InstanceRecord),
            earlier.state.in_(UNDER_WAY),
        )
    )
    is_waiting = (is_under_way(), InstanceRecord.state == State.RECEIVED.value)
    return select(InstanceRecord).where(*is_waiting, ~waits_for_earlier)


def abandoned(now: datetime) -> Select[InstanceRecord]:
    """Return the images whose worker's lease is over."""
    is_claimed = (is_under_way(), InstanceRecord.state == State.CLAIMED.value)
    return select(InstanceRecord).where(*is_claimed, IMAGES.is_free(now))


def settled_later(session: Session, row: InstanceRecord) -> int | None:
    """Return the last version of an instance after a row, if one was settled before it and stands for the instance."""
    return session.scalars(
        select(InstanceRecord.version)
        .where(
            InstanceRecord.sop_instance_uid == row.sop_instance_uid,
            InstanceRecord.version > row.version,
            InstanceRecord.state.not_in([*UNDER_WAY, *(state.value for state in _NEVER_IN_FORCE)]),
            alike(row),
        )
        .order_by(InstanceRecord.version.desc())
        .limit(1)
    ).one_or_none()


def predecessor(session: Session, row: InstanceRecord) -> Predecessor | None:
    """Return the version in force before a row; duplicates and held versions never were."""
    if row.version == 1:
        return None
    earlier = session.scalars(
        select(InstanceRecord)
        .where(
            InstanceRecord.sop_instance_uid == row.sop_instance_uid,
            InstanceRecord.version < row.version,
            InstanceRecord.state.not_in([state.value for state in _NEVER_IN_FORCE]),
            alike(row),
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
        flags=flags_of(earlier),
        prediction=prediction_of(earlier.prediction) if earlier.prediction else None,
    )
