"""Whether a JPEG decoder may have made up the last pixels of a frame that was cut before its EOI.

libjpeg warns of it on standard error and goes on with bits that are zero to the end of the row of blocks or pixels, and
without differences from there on.
"""

import numpy as np
from numpy.typing import NDArray

from service.dicom.pixels.frame import Frame
from service.dicom.pixels.jpeg import LosslessScan, lossless_scan

_FEW = 4


def may_be_made_up(values: NDArray[np.integer], frame: Frame, bits_stored: int) -> bool:
    """Tell whether the last pixels are those that come of zeros; without a look where they cannot be told from others.

    Parameters
    ----------
    values
        rows x cols (x samples), without what lies above the stored bits.
    """
    scan = lossless_scan(frame)
    if scan is None or frame.size is None or values.ndim != 2 or min(values.shape) <= _FEW:
        return True
    differences = _differences(values, scan)
    of_zeros = (differences[-1] - scan.difference_of_zeros) % (1 << min(frame.size.bits, bits_stored)) == 0
    return bool(of_zeros or not differences.any())


def _differences(values: NDArray[np.integer], scan: LosslessScan) -> NDArray[np.int64]:
    """Return by how much the last pixels of the last row differ from what is predicted (ITU-T T.81 Table H.1)."""
    corner = values[-2:, -_FEW - 1 :].astype(np.int64)
    left, above, before = corner[1, :-1], corner[0, 1:], corner[0, :-1]
    predictions = {
        1: left,
        2: above,
        3: before,
        4: left + above - before,
        5: left + ((above - before) >> 1),
        6: above + ((left - before) >> 1),
        7: (left + above) >> 1,
    }
    return np.asarray(corner[1, 1:] - predictions.get(scan.predictor, left))
