"""Whether the network reads the lungs or something beside them: figures on covered copies, and where the evidence is.

Shape suffixes: N images, H rows, W columns.

References
----------
DeGrave, Janizek and Lee, AI for radiographic COVID-19 detection selects shortcuts over signal, Nature Machine
Intelligence 3, 2021
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from models.measurements import EvidenceInLungs, ShortcutRow
from models.predictor import Predictor
from models.transforms import SIZE, stretch
from service.report.region import Localisation, localise
from service.thorax import LungField, find_lung_field, usual_lung_field
from training.fitting.dataset import LabelledImage, read_display_values
from training.measuring.metrics import bootstrap, discrimination, known_only

Images = NDArray[np.float32]
_BORDER, _CORNER = 0.1, 0.2


@dataclass(frozen=True)
class LungFields:
    """The lung field of every image.

    Attributes
    ----------
    found
        As the product finds it; None where it finds none.
    fields_NHW
        The same as masks, the usual field where none was found.
    """

    found: tuple[LungField | None, ...]
    fields_NHW: NDArray[np.bool_]

    @property
    def borrowed(self) -> float:
        """Share of the images of which one lung at least was not found."""
        return float(np.mean([field is None or field.borrowed for field in self.found]))


def find_lung_fields(pixels_NHW: Images) -> LungFields:
    """Find the lung field of each image, as the product does."""
    found = tuple(find_lung_field(pixels_HW) for pixels_HW in pixels_NHW)
    masks = [usual_lung_field() if field is None else field.mask_HW for field in found]
    return LungFields(found, np.array(masks))


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
) -> EvidenceInLungs:
    """Return how much of the heat map lies inside the lung field, over the pneumonia images that are called so.

    Raises
    ------
    ValueError
        When there is no such image.
    """
    card = predictor.checkpoint.card
    rows, groups = [], []
    outputs = predictor.predict(list(pixels_NHW))
    for image, output, field, mask_HW in zip(images, outputs, found.found, found.fields_NHW, strict=True):
        called = max(output.probabilities, key=lambda name: output.probabilities[name])
        if {image.target, card.classes.index(called)} <= set(card.pneumonia_classes) and output.cam.any():
            rows.append(_place(output.cam, mask_HW, localise(output.cam, field)))
            groups.append(image.group)
    if not rows:
        raise ValueError("No image with pneumonia is called so: there is no heat map to judge.")
    values = {name: np.array([row[name] for row in rows], dtype=np.float64) for name in rows[0]}

    def of(drawn: NDArray[np.int64]) -> dict[str, float]:
        means = {name: float(values_N[drawn].mean()) for name, values_N in values.items()}
        return {**means, "concentration": means["evidence"] / means["area"]}

    return EvidenceInLungs(len(rows), round(found.borrowed, 4), **bootstrap(of, np.array(groups)))


def _place(cam_HW: NDArray[np.float32], field_HW: NDArray[np.bool_], where: Localisation) -> dict[str, float]:
    """Return what is measured of one map, by the names of `models.measurements.EvidenceInLungs`."""
    rows, columns = field_HW.shape
    activation_HW = np.clip(cv2.resize(cam_HW, (columns, rows), interpolation=cv2.INTER_LINEAR), 0, None)
    peak_row, peak_column = np.unravel_index(int(cam_HW.argmax()), cam_HW.shape)
    return {
        "area": float(field_HW.mean()),
        "evidence": float(activation_HW[field_HW].sum() / activation_HW.sum()),
        "peak": float(field_HW.flat[int(activation_HW.argmax())]),
        "near_peak": float(where.peak_in_lungs),
        "rim_peak": float(peak_row == 0 or peak_column in (0, cam_HW.shape[1] - 1)),
        "outlined": float(bool(where.regions)),
        "withheld": float(where.withheld is not None),
    }


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
