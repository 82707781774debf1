"""The checkpoint that results come from, as the newest result says."""

from dataclasses import dataclass

from sqlalchemy import Engine, select

from service.ledger.database import reading
from service.ledger.records import PredictionRecord


@dataclass(frozen=True)
class CheckpointView:
    """A checkpoint; the digest is that of its weights and card."""

    name: str
    version: str
    digest: str


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
