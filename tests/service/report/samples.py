"""One report content for each outcome, to be varied by the tests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.demo.phantom import phantom_values
from service.report import Equipment, ReportContent
from service.thorax import SIDE, LungField
from service.vocabulary.facts import Flag, PrioritySource, Reason
from service.vocabulary.findings import Finding, Outcome, Prediction
from service.vocabulary.states import Priority

EQUIPMENT = Equipment("1.0.0", device_serial_number="7", institution="General Hospital")
FINDINGS = {
    "normal": Finding.NORMAL,
    "bacteria": Finding.BACTERIAL_PNEUMONIA,
    "virus": Finding.VIRAL_PNEUMONIA,
}
ANALYSED = (Outcome.POSITIVE, Outcome.NEGATIVE, Outcome.INDETERMINATE)

_PROBABILITIES = {
    Outcome.POSITIVE: (0.04, 0.83, 0.13),
    Outcome.NEGATIVE: (0.97, 0.02, 0.01),
    Outcome.INDETERMINATE: (0.58, 0.30, 0.12),
}


def activation() -> NDArray[np.float32]:
    """Return a map with one activated place right of the middle."""
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[3:5, 4:6] = 0.9
    cam[2, 4] = 0.6
    return cam


def lungs() -> LungField:
    """Return a lung field of two ellipses beside the middle; the activated place lies in the right-hand one."""
    y, x = np.linspace(-1, 1, SIDE)[:, None], np.linspace(-1, 1, SIDE)[None, :]
    return LungField(np.asarray(((np.abs(x) - 0.45) / 0.35) ** 2 + (y / 0.8) ** 2 < 1), borrowed=False)


#: A lung field that leaves nothing of a map out.
EVERYWHERE = LungField(np.ones((SIDE, SIDE), dtype=bool), borrowed=False)


def radiograph(rows: int, columns: int) -> NDArray[np.float32]:
    """Return display values in which a lung field is found."""
    return phantom_values(1, rows, columns)


def prediction(outcome: Outcome, **changes: Any) -> Prediction:
    """Return a plausible prediction of an outcome."""
    probabilities = dict(zip(FINDINGS, _PROBABILITIES[outcome], strict=True))
    made = Prediction(
        outcome=outcome,
        probabilities=probabilities,
        findings=FINDINGS,
        p_pneumonia=1 - probabilities["normal"],
        pneumonia_type=Finding.BACTERIAL_PNEUMONIA if outcome is Outcome.POSITIVE else None,
        operating_point="balanced",
        lower=0.3,
        upper=0.6,
        prevalence=0.2,
        checkpoint_name="cxr-resnet50",
        checkpoint_version="1.0",
        checkpoint_digest="ab" * 32,
        transform="squash 224",
        input_digest="cd" * 32,
        cam=activation(),
        runtime={"name": "onnxruntime"},
    )
    return replace(made, **changes)


def content(outcome: Outcome, **changes: Any) -> ReportContent:
    """Return a plausible content of an outcome."""
    analysed = outcome is not Outcome.NOT_ANALYSED
    made = ReportContent(
        outcome=outcome,
        prediction=prediction(outcome) if analysed else None,
        reason=None if analysed else Reason.LATERAL_VIEW,
        flags=(Flag.AGE_UNKNOWN,),
        priority=Priority.URGENT if outcome is Outcome.POSITIVE else Priority.ROUTINE,
        priority_source=PrioritySource.PREDICTION if outcome is Outcome.POSITIVE else None,
        content_time=datetime(2026, 11, 22, 16, 50, 1, tzinfo=UTC),
        pixel_digest="1" * 64,
        identity_digest="2" * 64,
        limits="frontal views alone; effusion, pneumothorax and tumours are not assessed.",
        population="children of 1 to 5 years",
    )
    return replace(made, **changes)
