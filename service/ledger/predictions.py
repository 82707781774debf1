"""A prediction as a row, and back."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from sqlalchemy import Engine, select

from service.ledger.database import reading
from service.ledger.records import InstanceRecord, PredictionRecord
from service.vocabulary.findings import Finding, Outcome, Prediction


def record_of(prediction: Prediction, instance_id: int, at: datetime, reused: bool) -> PredictionRecord:
    """Return the row of a prediction."""
    cam = np.ascontiguousarray(prediction.cam, dtype="<f4")
    return PredictionRecord(
        instance_id=instance_id,
        outcome=prediction.outcome.value,
        probabilities=dict(prediction.probabilities),
        findings={name: finding.value for name, finding in prediction.findings.items()},
        p_pneumonia=prediction.p_pneumonia,
        pneumonia_type=prediction.pneumonia_type.value if prediction.pneumonia_type else None,
        operating_point=prediction.operating_point,
        lower=prediction.lower,
        upper=prediction.upper,
        prevalence=prediction.prevalence,
        checkpoint_name=prediction.checkpoint_name,
        checkpoint_version=prediction.checkpoint_version,
        checkpoint_digest=prediction.checkpoint_digest,
        transform=prediction.transform,
        input_digest=prediction.input_digest,
        cam=cam.tobytes(),
        cam_rows=cam.shape[0],
        cam_columns=cam.shape[1],
        runtime=dict(prediction.runtime),
        created_at=at,
        reused=reused,
    )


def prediction_of(row: PredictionRecord) -> Prediction:
    """Return the prediction of a row."""
    return Prediction(
        outcome=Outcome(row.outcome),
        probabilities=row.probabilities,
        findings={name: Finding(value) for name, value in row.findings.items()},
        p_pneumonia=row.p_pneumonia,
        pneumonia_type=Finding(row.pneumonia_type) if row.pneumonia_type else None,
        operating_point=row.operating_point,
        lower=row.lower,
        upper=row.upper,
        prevalence=row.prevalence,
        checkpoint_name=row.checkpoint_name,
        checkpoint_version=row.checkpoint_version,
        checkpoint_digest=row.checkpoint_digest,
        transform=row.transform,
        input_digest=row.input_digest,
        cam=np.frombuffer(row.cam, dtype="<f4").reshape(row.cam_rows, row.cam_columns).astype(np.float32),
        runtime=row.runtime,
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
