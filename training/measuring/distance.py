"""The distance from the training images: fitted on train, its limit set on val, measured on pictures of other kinds.

Shape suffixes: N images, D features, R directions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from models.runtimes import Runtime
from models.transforms import to_batch
from models.unlike import ChangeRow, KindRow, UnlikeTraining
from training.measuring.kinds import ENOUGH, Kind, Values, kinds
from training.measuring.robustness import CHANGES

STAGES = ("layer4",)
"""Where the distance is taken: chosen among the layers and their unions, see docs/adr/0012."""
FITTED_ON = 2000
"""Train images that it is fitted on, drawn from all."""
_DIRECTIONS = 64
_FALSE_ALARMS = 0.01
_LEAST_DEVIATION = 0.05
_BATCH = 8


def fit(means_ND: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Fit probabilistic principal components to the mean features of the training images.

    Returns
    -------
    ``centre`` (D), ``scale`` (D), ``basis`` (R x D) and ``weight`` (R) as `models.distance.Distance` takes them, so
    that the distance of the training images is about 1.
    """
    centre_D = means_ND.mean(axis=0, dtype=np.float64)
    deviation_D = means_ND.std(axis=0, dtype=np.float64)
    # A feature that hardly ever moves on train must not decide alone.
    deviation_D = np.maximum(deviation_D, _LEAST_DEVIATION * np.median(deviation_D))
    scaled_ND = (means_ND - centre_D) / deviation_D
    variance_D, vectors_DD = np.linalg.eigh(scaled_ND.T @ scaled_ND / len(scaled_ND))
    directions = min(_DIRECTIONS, len(means_ND) // 4)  # of few images, more would be their noise
    variance_R, basis_RD = variance_D[::-1][:directions], vectors_DD.T[::-1][:directions]
    rest = variance_D[:-directions].mean()
    fitted = {
        "centre": centre_D,
        "scale": 1 / (deviation_D * np.sqrt(rest * len(centre_D))),
        "basis": basis_RD,
        "weight": rest / variance_R - 1,
    }
    return {name: np.ascontiguousarray(values, dtype=np.float32) for name, values in fitted.items()}


def measure(
    runtime: Runtime, transform: str, val_N: NDArray[np.float32], radiographs: Sequence[Values]
) -> UnlikeTraining:
    """Set the limit on val and measure the distance.

    Parameters
    ----------
    val_N
        Distances of the val images.
    radiographs
        Display values of val images of which kinds and changed copies are made.
    """
    limit = round(float(np.quantile(val_N, 1 - _FALSE_ALARMS)), 4)

    def distances(pictures: Sequence[Values]) -> NDArray[np.float32]:
        batches = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
        return np.concatenate([_distance(runtime, to_batch(transform, batch)) for batch in batches])

    return UnlikeTraining(
        stages=STAGES,
        limit=limit,
        false_alarms=round(float((val_N > limit).mean()), 4),
        kinds=tuple(_kind_row(kind, val_N, limit, distances) for kind in kinds(radiographs)),
        changes=tuple(_change_rows(radiographs, limit, distances)),
    )


def _distance(runtime: Runtime, batch_N3HW: NDArray[np.float32]) -> NDArray[np.float32]:
    found_N = runtime.run(batch_N3HW).distance_N
    if found_N is None:
        raise ValueError("The graph has no distance; fit it before it is measured.")
    return found_N


def _kind_row(
    kind: Kind,
    val_N: NDArray[np.float32],
    limit: float,
    distances: Callable[[Sequence[Values]], NDArray[np.float32]],
) -> KindRow:
    count = len({picture.tobytes() for picture in kind.pictures})
    if count < ENOUGH:
        return KindRow(kind.name, kind.source, count, kind.chooses, None, None)
    found_N = distances(kind.pictures)
    truth = np.concatenate([np.zeros(len(val_N)), np.ones(len(found_N))])
    auroc = float(roc_auc_score(truth, np.concatenate([val_N, found_N])))
    beyond = float((found_N > limit).mean())
    return KindRow(kind.name, kind.source, count, kind.chooses, round(auroc, 4), round(beyond, 4))


def _change_rows(
    radiographs: Sequence[Values], limit: float, distances: Callable[[Sequence[Values]], NDArray[np.float32]]
) -> Iterator[ChangeRow]:
    for name, (change, strengths) in CHANGES.items():
        for strength in strengths:
            found_N = distances([change(values, strength) for values in radiographs])
            share = round(float((found_N > limit).mean()), 4)
            yield ChangeRow(name, f"{strength:g}", len(found_N), share)
