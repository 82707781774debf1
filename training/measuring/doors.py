"""The same picture through both doors: at full size as a DICOM instance, and as a reduced copy in a file.

Shape suffixes: N images.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track

from models.decision import Decision, decide
from models.measurements import Doors
from models.predictor import Predictor
from service.demo.images import wrapped
from service.dicom.pixels import decode
from training.fitting.dataset import LabelledImage, read_display_values
from training.measuring.metrics import bootstrap

_POINT = "balanced"


def compare_doors(predictor: Predictor, originals: Sequence[LabelledImage], copies: Path) -> Doors:
    """Compare the decisions on original pictures, wrapped as CR instances, with those on copies of the same name.

    Parameters
    ----------
    originals
        Pictures at full size.
    copies
        Folder of the reduced copies, under the same names.

    Raises
    ------
    ValueError
        When no original has a copy, or one cannot be read.
    """
    pairs = [(image, copies / image.name) for image in originals if (copies / image.name).is_file()]
    if not pairs:
        raise ValueError(f"No picture has a copy of its name in {copies}.")
    decisions = [
        (_decide(predictor, through_dicom(image.path)), _decide(predictor, read_display_values(copy)))
        for image, copy in track(pairs, "pictures", transient=True)
    ]
    same_N = np.array([full.outcome == reduced.outcome for full, reduced in decisions])
    apart_N = np.array([abs(full.p_pneumonia - reduced.p_pneumonia) for full, reduced in decisions])
    same = bootstrap(lambda rows: {"same": float(same_N[rows].mean())}, np.array([image.group for image, _ in pairs]))
    return Doors(len(pairs), same["same"], round(float(np.median(apart_N)), 4), round(float(apart_N.max()), 4))


def through_dicom(picture: Path) -> NDArray[np.float32]:
    """Return the display values (rows x columns, in [0, 1]) that the product sees of a picture wrapped as CR."""
    with Image.open(picture) as opened:
        stored = np.asarray(opened.convert("L"))
    values: NDArray[np.float32] = decode(wrapped(stored, "Both^Doors", "DOORS")).display()
    return values


def _decide(predictor: Predictor, values: NDArray[np.float32]) -> Decision:
    return decide(predictor.predict([values])[0].probabilities, predictor.checkpoint.card, _POINT)
