"""The checkpoints that results come from, as the newest results say."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session, defer

from service.ledger.database import reading
from service.ledger.records import PredictionRecord

_IN_USE_FOR = timedelta(days=7)


@dataclass(frozen=True)
class CheckpointView:
    """A checkpoint; the digest is that of its weights and card."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True)
class InUse:
    """A checkpoint that gives results, how it decides, and when it gave its first.

    Attributes
    ----------
    checkpoint
        Its name and version.
    """

    checkpoint_digest: str
    operating_point: str
    prevalence: float
    calibration_digest: str | None
    since: datetime
    checkpoint: str


class Checkpoints:
    """Looks for the checkpoint in use."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self) -> CheckpointView | None:
        """Return the checkpoint of the newest result; None before the first."""
        named = (
            PredictionRecord.checkpoint_name,
            PredictionRecord.checkpoint_version,
            PredictionRecord.checkpoint_digest,
        )
        with reading(self._engine) as session:
            row = session.execute(select(*named).order_by(PredictionRecord.id.desc()).limit(1)).first()
            return None if row is None else CheckpointView(*row)


def in_use(session: Session) -> list[InUse]:
    """Return which checkpoints give results, the one of the newest first; none before the first result.

    Several do where each has its own ages or views, and while workers of two versions run beside each other. One that
    has given none for a week before the newest is not in use any more.
    """
    newest = sorted(_newest_of_each(session), key=lambda row: row.created_at, reverse=True)
    return [
        InUse(
            checkpoint_digest=row.checkpoint_digest,
            operating_point=row.operating_point,
            prevalence=row.prevalence,
            calibration_digest=row.calibration_digest,
            since=_first_at(session, row),
            checkpoint=_name(row),
        )
        for row in newest
        if row.created_at > newest[0].created_at - _IN_USE_FOR
    ]


def name_of(session: Session, digest: str) -> str:
    """Return the name and version of a checkpoint that has given a result."""
    return _name(_newest(session, digest))


def _newest_of_each(session: Session) -> Iterator[PredictionRecord]:
    """Give the newest result of each checkpoint that ever gave one: a look into the index for each, as for groups."""
    row, last = PredictionRecord, ""
    while digest := session.scalars(select(func.min(row.checkpoint_digest)).where(row.checkpoint_digest > last)).one():
        yield _newest(session, digest)
        last = digest


def _newest(session: Session, digest: str) -> PredictionRecord:
    row = PredictionRecord
    of_checkpoint = select(row).where(row.checkpoint_digest == digest).options(defer(row.cam))
    return session.scalars(of_checkpoint.order_by(row.created_at.desc(), row.id.desc()).limit(1)).one()


def _first_at(session: Session, newest: PredictionRecord) -> datetime:
    """Return when a checkpoint gave its first result with the calibration that it has."""
    row = PredictionRecord
    first = select(func.min(row.created_at)).where(
        row.checkpoint_digest == newest.checkpoint_digest,
        row.calibration_digest.is_not_distinct_from(newest.calibration_digest),
    )
    return session.scalars(first).one()


def _name(result: PredictionRecord) -> str:
    return f"{result.checkpoint_name} {result.checkpoint_version}"
