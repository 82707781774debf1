"""A prediction as a row, and back."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Engine, select

from service.ledger.database import reading
from service.ledger.records import InstanceRecord, PredictionRecord
from service.ledger.summaries import columns_of, summary_of
from service.vocabulary.findings import Prediction


def record_of(prediction: Prediction, instance_id: int, at: datetime, reused: bool) -> PredictionRecord:
    """Return the row of a prediction."""
    cam = np.ascontiguousarray(prediction.cam, dtype="<f4")
    return PredictionRecord(
        **columns_of(prediction),
        instance_id=instance_id,
        input_digest=prediction.input_digest,
        cam=cam.tobytes(),
        cam_rows=cam.shape[0],
        cam_columns=cam.shape[1],
        created_at=at,
        reused=reused,
    )


def prediction_of(row: PredictionRecord) -> Prediction:
    """Return the prediction of a row."""
    return Prediction(
        **summary_of(row),
        input_digest=row.input_digest,
        cam=np.frombuffer(row.cam, dtype="<f4").reshape(row.cam_rows, row.cam_columns).astype(np.float32),
    )


@dataclass(frozen=True)
class RecordedResult:
    """A prediction, the key of the object that it was computed from, and when retention removed that, if it did."""

    object_key: str
    object_removed_at: datetime | None
    prediction: Prediction


class Results:
    """Returns results, so that they can be computed again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def latest(self, sop_instance_uid: str) -> RecordedResult | None:
        """Return the result of the latest version of an instance that has one."""
        with reading(self._engine) as session:
            row = session.scalars(
                select(PredictionRecord)
                .join(InstanceRecord)
                .where(InstanceRecord.sop_instance_uid == sop_instance_uid)
                .order_by(InstanceRecord.version.desc())
                .limit(1)
            ).first()
            if row is None:
                return None
            return RecordedResult(row.instance.object_key, row.instance.object_removed_at, prediction_of(row))
