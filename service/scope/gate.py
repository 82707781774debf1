"""The scope gate: header in, verdict out.

References
----------
PS3.3 sections C.7.6.3 (Image Pixel) and C.8.11.1 (Presentation Intent Type)
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from service.scope.age import age_in_years
from service.scope.attributes import texts, whole_number
from service.scope.body_part import is_chest
from service.scope.fitting import age_lies_within
from service.scope.verdict import PopulationLimits, ScopeVerdict
from service.scope.view import View, view_of
from service.settings import ScopeSettings
from service.thorax import is_upright
from service.vocabulary.facts import Flag, Reason
from service.vocabulary.sop_classes import DIGITAL_X_RAY_FOR_PROCESSING, SECONDARY_CAPTURES

_VIEW_REASONS = {
    View.LATERAL: Reason.LATERAL_VIEW,
    View.OBLIQUE: Reason.OBLIQUE_VIEW,
    View.DECUBITUS: Reason.DECUBITUS_VIEW,
}
# The share of its brightness by which the bulk of a blank image's pixels may differ.
_BLANK_SPREAD = 0.02

_Ruling = Reason | Flag


def judge(dataset: Dataset, population: PopulationLimits, rules: ScopeSettings) -> ScopeVerdict:
    """Decide whether an image is analysed; the header is enough, and nothing in it can make this raise.

    Parameters
    ----------
    dataset
        The instance, with or without its pixel data.
    population
        Whom the checkpoint was validated on.
    rules
        What to accept, and what to do in doubt.

    Returns
    -------
    The first reason against analysis, or else every doubt under which it is analysed.
    """
    modality = next(texts(dataset, ("Modality",)), "").upper()
    chest = is_chest(dataset, rules.body_parts)
    is_radiograph = modality in {name.upper() for name in rules.modalities}
    flags = []
    for finding in _findings(dataset, population, rules, is_radiograph, chest):
        if isinstance(finding, Reason):
            # Known for a chest, not only not known for another part: who expects a result is told why there is none.
            return ScopeVerdict(in_scope=False, reason=finding, chest=is_radiograph and chest is True)
        flags.append(finding)
    return ScopeVerdict(in_scope=True, reason=None, chest=chest is True, flags=tuple(flags))


def blank(values: NDArray[Any]) -> bool:
    """Tell whether an image shows nothing: its pixels, but for the outermost half percent, are all nearly the same.

    Parameters
    ----------
    values
        Stored values (any integer type) or display values (floating, in [0, 1]), rows x cols.
    """
    # Every sixteenth pixel of a large image tells as much, in about a sixteenth of the time.
    sample = values[::4, ::4] if values.size > 200_000 else values
    low, high = (float(value) for value in np.percentile(sample, (0.5, 99.5)))
    scale = 1.0 if np.issubdtype(values.dtype, np.floating) else max(abs(low), abs(high), 1.0)
    return high - low <= _BLANK_SPREAD * scale


def judge_distance(distance: float | None, limit: float | None, rules: ScopeSettings) -> Reason | Flag | None:
    """Decide about an image by how far the network finds it from the images that it was trained on.

    Parameters
    ----------
    distance, limit
        The image's distance, and the checkpoint's limit on it; None where the checkpoint cannot tell.

    Returns
    -------
    The reason against analysis, or the doubt under which it is analysed, or neither.
    """
    if distance is None or limit is None or rules.unlike_training == "ignore" or distance <= limit:
        return None
    return _doubt(rules.unlike_training, Reason.UNLIKE_TRAINING, Flag.UNLIKE_TRAINING)


def judge_orientation(display: NDArray[np.float32], rules: ScopeSettings) -> Reason | Flag | None:
    """Decide about an image that may have been turned by 180 degrees or flipped upside down.

    Parameters
    ----------
    display
        Display values, float32, rows x columns, in [0, 1].

    Returns
    -------
    The reason against analysis, or the doubt under which it is analysed, or neither.
    """
    if rules.upside_down == "ignore" or is_upright(display):
        return None
    return _doubt(rules.upside_down, Reason.UPSIDE_DOWN, Flag.UPSIDE_DOWN)


def _findings(
    dataset: Dataset, population: PopulationLimits, rules: ScopeSettings, is_radiograph: bool, chest: bool | None
) -> Iterator[_Ruling]:
    """Yield reasons and flags in the order in which a reader would want the first of them."""
    yield from _image_kind(dataset, rules, is_radiograph)
    if chest is False:
        yield Reason.NOT_CHEST
    if chest is None:
        yield _doubt(rules.unknown_body_part, Reason.BODY_PART_UNKNOWN, Flag.BODY_PART_UNKNOWN)
    view = view_of(dataset)
    if view in _VIEW_REASONS:
        yield _VIEW_REASONS[view]
    if view is None:
        yield _doubt(rules.unknown_view, Reason.VIEW_UNKNOWN, Flag.VIEW_UNKNOWN)
    yield from _size(dataset, rules)
    yield from _age(dataset, population, rules)


def _image_kind(dataset: Dataset, rules: ScopeSettings, is_radiograph: bool) -> Iterator[_Ruling]:
    if "Rows" not in dataset or "Columns" not in dataset:
        yield Reason.NOT_AN_IMAGE
    # By Modality and not by SOP class: a radiograph may come as Secondary Capture, and a CT's key image as well.
    if not is_radiograph:
        yield Reason.MODALITY
    sop_class_uid = next(texts(dataset, ("SOPClassUID",)), "")
    if sop_class_uid in SECONDARY_CAPTURES and rules.secondary_capture == "skip":
        yield Reason.SECONDARY_CAPTURE
    if whole_number(dataset, "NumberOfFrames", 1) > 1:
        yield Reason.MULTI_FRAME
    photometric = next(texts(dataset, ("PhotometricInterpretation",)), "MONOCHROME2")
    if whole_number(dataset, "SamplesPerPixel", 1) != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        yield Reason.COLOUR
    intent = next(texts(dataset, ("PresentationIntentType",)), "").upper()
    if intent == "FOR PROCESSING" or sop_class_uid == DIGITAL_X_RAY_FOR_PROCESSING:
        yield _doubt(rules.for_processing, Reason.FOR_PROCESSING, Flag.FOR_PROCESSING)


def _size(dataset: Dataset, rules: ScopeSettings) -> Iterator[_Ruling]:
    rows, columns = whole_number(dataset, "Rows", 0), whole_number(dataset, "Columns", 0)
    if rows < rules.minimum_rows or columns < rules.minimum_columns:
        yield Reason.TOO_SMALL
    if rows * columns > rules.maximum_pixels:
        yield Reason.TOO_LARGE


def _age(dataset: Dataset, population: PopulationLimits, rules: ScopeSettings) -> Iterator[_Ruling]:
    age = age_in_years(dataset)
    if age is None:
        yield _doubt(rules.unknown_age, Reason.AGE_UNKNOWN, Flag.AGE_UNKNOWN)
        return
    if not age_lies_within(age, population):
        yield _doubt(rules.age_outside, Reason.AGE_OUTSIDE, Flag.AGE_OUTSIDE)


def _doubt(choice: str, reason: Reason, flag: Flag) -> _Ruling:
    return reason if choice == "skip" else flag
