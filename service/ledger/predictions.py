"""A prediction as a row, and back."""

from datetime import datetime

import numpy as np

from service.ledger.records import PredictionRecord
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
