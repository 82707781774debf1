"""Whether the network reads the lungs or something beside them: figures on covered copies, and where the evidence is.

Shape suffixes: N images, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.measurements import LungField, ShortcutRow
from models.predictor import Predictor
from models.transforms import SIZE, stretch
from training.fitting.dataset import LabelledImage, read_display_values
from training.measuring.lung_field import LungFields
from training.measuring.metrics import bootstrap, discrimination, known_only

Images = NDArray[np.float32]
_BORDER, _CORNER = 0.1, 0.2


def read_reduced(images: Sequence[LabelledImage]) -> Images:
    """Return the images (N x 224 x 224) as the network gets them before standardisation."""
    return np.stack([stretch(read_display_values(image.path)) for image in track(images, "reading", transient=True)])


def measure_shortcuts(
    predictor: Predictor, images: Sequence[LabelledImage], pixels_NHW: Images, fields_NHW: NDArray[np.bool_]
) -> Iterator[ShortcutRow]:
    """Yield a row for each way to cover a part; what is covered gets the mean grey of what is left."""
    targets_N = np.array([image.target for image in images], dtype=np.int64)
    groups_N = np.array([image.group for image in images])
    card = predictor.checkpoint.card
    for seen, copies_NHW in _copies(pixels_NHW, fields_NHW):
        outputs = predictor.predict(list(copies_NHW))
        probabilities_NK = np.array([[output.probabilities[name] for name in card.classes] for output in outputs])

        def of(rows: NDArray[np.int64], found: NDArray[np.float64] = probabilities_NK) -> dict[str, float]:
            return discrimination(found[rows], targets_N[rows], card.pneumonia_classes)

        yield ShortcutRow(seen, known_only(bootstrap(of, groups_N)))


def measure_lung_field(
    predictor: Predictor, images: Sequence[LabelledImage], pixels_NHW: Images, found: LungFields
) -> LungField:
    """Return how much of the heat map lies inside the lung field, over the pneumonia images that are called so.

    Raises
    ------
    ValueError
        When there is no such image.
    """
    card = predictor.checkpoint.card
    shares, groups = [], []
    outputs = predictor.predict(list(pixels_NHW))
    for image, output, field_HW in zip(images, outputs, found.fields_NHW, strict=True):
        called = max(output.probabilities, key=lambda name: output.probabilities[name])
        if {image.target, card.classes.index(called)} <= set(card.pneumonia_classes) and output.cam.any():
            shares.append(_inside(output.cam, field_HW))
            groups.append(image.group)
    if not shares:
        raise ValueError("No image with pneumonia is called so: there is no heat map to judge.")
    area_N, evidence_N, peak_N = np.array(shares, dtype=np.float64).T

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        area, evidence, peak = (float(values_N[rows].mean()) for values_N in (area_N, evidence_N, peak_N))
        return {"area": area, "evidence": evidence, "concentration": evidence / area, "peak": peak}

    return LungField(len(shares), round(float(found.borrowed_N.mean()), 4), **bootstrap(of, np.array(groups)))


def _inside(cam_HW: NDArray[np.float32], field_HW: NDArray[np.bool_]) -> tuple[float, float, bool]:
    """Return the shares of the area and of the activation inside the field, and whether its peak is there."""
    rows, columns = field_HW.shape
    activation_HW = np.clip(cv2.resize(cam_HW, (columns, rows), interpolation=cv2.INTER_LINEAR), 0, None)
    evidence = activation_HW[field_HW].sum() / activation_HW.sum()
    return float(field_HW.mean()), float(evidence), bool(field_HW.flat[int(activation_HW.argmax())])


def _copies(pixels_NHW: Images, fields_NHW: NDArray[np.bool_]) -> Iterator[tuple[str, Images]]:
    """Yield what is seen, and the copies that show it alone."""
    whole_NHW = np.ones_like(fields_NHW)
    inner_NHW, cut_NHW = whole_NHW.copy(), whole_NHW.copy()
    border, corner = int(SIZE * _BORDER), int(SIZE * _CORNER)
    inner_NHW[:, :border] = inner_NHW[:, -border:] = inner_NHW[:, :, :border] = inner_NHW[:, :, -border:] = False
    for down in (slice(None, corner), slice(-corner, None)):
        cut_NHW[:, down, :corner] = cut_NHW[:, down, -corner:] = False
    brush = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (SIZE // 7, SIZE // 7))
    wide_NHW = np.array([cv2.dilate(field.astype(np.uint8), brush) > 0 for field in fields_NHW])
    seen = {
        "everything": whole_NHW,
        f"borders of {_BORDER:.0%} covered": inner_NHW,
        f"corners of {_CORNER:.0%} covered": cut_NHW,
        "the lung field alone": fields_NHW,
        "the lung field and 16 pixels around it": wide_NHW,
        "all but the lung field": ~fields_NHW,
        "all but the lung field and 16 pixels around it": ~wide_NHW,
    }
    for name, kept_NHW in seen.items():
        yield name, np.stack([_covered(*pair) for pair in zip(pixels_NHW, kept_NHW, strict=True)])
    yield "the outline of the lung field, filled", fields_NHW.astype(np.float32)


def _covered(pixels_HW: NDArray[np.float32], kept_HW: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(kept_HW, pixels_HW, pixels_HW[kept_HW].mean(dtype=np.float64)).astype(np.float32)
