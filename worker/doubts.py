"""What a reader should doubt of a positive, by where its activation lies."""

import numpy as np
from numpy.typing import NDArray

from service.report.region import Withheld, localise
from service.thorax import find_lung_field
from service.vocabulary.facts import Flag
from service.vocabulary.findings import Outcome, Prediction


def doubts_of_the_map(prediction: Prediction, display: NDArray[np.float32]) -> tuple[Flag, ...]:
    """Return the doubts that the map of a positive gives; no other outcome has a map.

    Parameters
    ----------
    display
        Display values of the image, float32, rows x columns, in [0, 1].
    """
    if prediction.outcome is not Outcome.POSITIVE:
        return ()
    found = localise(prediction.cam, find_lung_field(display))
    if found.withheld is Withheld.NO_LUNG_FIELD:
        return (Flag.LUNG_FIELD_NOT_FOUND,)
    return () if found.peak_in_lungs and found.withheld is None else (Flag.ACTIVATION_OFF_LUNGS,)
