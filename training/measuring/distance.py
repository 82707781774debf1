"""The distance from the training images: fitted on train, its limit set on val, measured on pictures of other kinds.

Shape suffixes: N images, D features, R directions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from models.runtimes import Runtime
from models.transforms import to_batch
from models.unlike import ChangeRow, KindRow, UnlikeTraining
from service.thorax import is_upright
from training.fitting.dataset import LabelledImage, read_display_values
from training.measuring.changes import Values
from training.measuring.kinds import ENOUGH, Kind, kinds, one_a_patient
from training.measuring.robustness import CHANGES

STAGES = ("layer4",)
"""Where the distance is taken: chosen among the layers and their unions, see docs/adr/0012."""
FITTED_ON = 2000
"""Train images that it is fitted on, drawn from all."""
_DIRECTIONS = 64
FALSE_ALARMS = 0.0275
"""Most of val that may lie beyond the limit: the gate may refuse 3 %, of which upside-down images need a little."""
ABSTAIN = 0.95
"""Share of the pictures of a kind that must not be judged, such as adults, that should lie beyond it."""
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
    runtime: Runtime,
    transform: str,
    val_N: NDArray[np.float32],
    radiographs: Sequence[Values],
    unwanted: Sequence[tuple[Kind, NDArray[np.float32]]] = (),
    upright_N: NDArray[np.bool_] | None = None,
) -> UnlikeTraining:
    """Set the limit and measure the distance.

    Parameters
    ----------
    val_N
        Distances of the val images.
    radiographs
        Display values of val images of which kinds and changed copies are made.
    upright_N
        Whether each val image is upright, for what the gate refuses of val; not said where it is absent.
    unwanted
        Kinds of which at least `ABSTAIN` should lie beyond the limit, such as adults, with their distances.
    """
    limit = choose_limit(val_N, [found_N for _, found_N in unwanted])

    def distances(pictures: Sequence[Values]) -> NDArray[np.float32]:
        return measure_distances(runtime, transform, pictures)

    made = ((kind, distances(kind.pictures)) for kind in kinds(radiographs))
    return UnlikeTraining(
        stages=STAGES,
        limit=limit,
        false_alarms=round(float((val_N > limit).mean()), 4),
        kinds=tuple(kind_row(kind, val_N, limit, found_N) for kind, found_N in (*unwanted, *made)),
        changes=tuple(_change_rows(radiographs, limit, distances)),
        percentiles=tuple(round(float(value), 4) for value in np.percentile(val_N, range(101))),
        refused=None if upright_N is None else round(float(((val_N > limit) | ~upright_N).mean()), 4),
    )


def measure_on(
    runtime: Runtime,
    transform: str,
    images: Sequence[LabelledImage],
    unwanted: Sequence[tuple[Kind, NDArray[np.float32]]] = (),
) -> UnlikeTraining:
    """Set the limit and measure the distance on labelled images, which are val."""
    val_N = measure_distances(runtime, transform, (read_display_values(image.path) for image in images))
    upright_N = upright(images)
    radiographs = [read_display_values(image.path) for image in one_a_patient(images)]
    return measure(runtime, transform, val_N, radiographs, unwanted, upright_N)


def upright(images: Sequence[LabelledImage]) -> NDArray[np.bool_]:
    """Tell of each image whether it is upright, as the scope gate judges."""
    return np.array([is_upright(read_display_values(image.path)) for image in images])


def with_kinds(known: UnlikeTraining, found: Sequence[tuple[Kind, NDArray[np.float32]]]) -> UnlikeTraining:
    """Return the record with rows for other kinds at the limit that it has; a row of the same name is replaced.

    Raises
    ------
    ValueError
        When the card is older than the percentiles of val's distances.
    """
    rows = tuple(kind_row(kind, _percentiles(known), known.limit, found_N) for kind, found_N in found)
    names = {row.kind for row in rows}
    return replace(known, kinds=(*rows, *(row for row in known.kinds if row.kind not in names)))


def share_beyond(known: UnlikeTraining, limit: float) -> float:
    """Return the share of val that would lie beyond another limit, by the record's percentiles."""
    values = _percentiles(known)
    return float(1 - np.interp(limit, values, np.linspace(0, 1, len(values)), left=0, right=1))


def _percentiles(known: UnlikeTraining) -> NDArray[np.float64]:
    if not known.percentiles:
        raise ValueError("The card has no percentiles of val's distances; measure the limit on val first (--val).")
    return np.array(known.percentiles)


def choose_limit(val_N: NDArray[np.float32], unwanted: Sequence[NDArray[np.float32]] = ()) -> float:
    """Return the limit that costs least of val while `ABSTAIN` of each unwanted kind lie beyond it.

    It is never so tight that more than `FALSE_ALARMS` of val lie beyond; without any kind to ask it is just so tight.
    """
    tightest = math.ceil(float(np.quantile(val_N, 1 - FALSE_ALARMS, method="higher")) * 10_000) / 10_000
    wanted = [limit_of(found_N) for found_N in unwanted]
    return max(tightest, min(wanted)) if wanted else tightest


def limit_of(found_N: NDArray[np.float32]) -> float:
    """Return the greatest limit, in steps of 0.0001, beyond which `ABSTAIN` of some pictures lie."""
    return math.ceil(float(np.quantile(found_N, 1 - ABSTAIN, method="lower")) * 10_000 - 1) / 10_000


def measure_distances(runtime: Runtime, transform: str, pictures: Iterable[Values]) -> NDArray[np.float32]:
    """Return the distance of each picture, given as display values of any size."""
    waiting, found = iter(pictures), []
    while batch := list(islice(waiting, _BATCH)):
        found.append(_distance(runtime, to_batch(transform, batch)))
    return np.concatenate(found) if found else np.zeros(0, dtype=np.float32)


def kind_row(kind: Kind, val_N: NDArray[np.floating], limit: float, found_N: NDArray[np.float32]) -> KindRow:
    """Return how well the distance tells a kind from val; ``val_N`` may be percentiles of val's distances."""
    if kind.distinct < ENOUGH:
        return KindRow(kind.name, kind.source, kind.distinct, kind.chooses, None, None)
    truth = np.concatenate([np.zeros(len(val_N)), np.ones(len(found_N))])
    auroc = float(roc_auc_score(truth, np.concatenate([val_N, found_N])))
    beyond_N = found_N > limit
    refused_N = beyond_N | np.array([not is_upright(picture) for picture in kind.pictures])
    shares = (auroc, float(beyond_N.mean()), float(refused_N.mean()))
    return KindRow(kind.name, kind.source, kind.distinct, kind.chooses, *(round(share, 4) for share in shares))


def _distance(runtime: Runtime, batch_N3HW: NDArray[np.float32]) -> NDArray[np.float32]:
    found_N = runtime.run(batch_N3HW).distance_N
    if found_N is None:
        raise ValueError("The graph has no distance; fit it before it is measured.")
    return found_N


def _change_rows(
    radiographs: Sequence[Values], limit: float, distances: Callable[[Sequence[Values]], NDArray[np.float32]]
) -> Iterator[ChangeRow]:
    for name, (change, strengths) in CHANGES.items():
        for strength in strengths:
            found_N = distances([change(values, strength) for values in radiographs])
            share = round(float((found_N > limit).mean()), 4)
            yield ChangeRow(name, f"{strength:g}", len(found_N), share)
