"""How far the labels bacterial and viral can be reached at all: what models that never saw a label say of it.

Shape suffixes: N images, F features.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from models.measurements import LabelNoise
from training.measuring.metrics import bootstrap, known_only

LINEAR, KERNEL = "logistic regression", "support vector machine"
_FOLDS = 5


def cross_fitted(
    features_NF: NDArray[np.float32], viral_N: NDArray[np.bool_], groups_N: NDArray[np.str_]
) -> dict[str, NDArray[np.float64]]:
    """Return P(viral) of each image by two models on frozen features, each fifth of the patients judged by the others.

    The support vector machine gives no probabilities: its value is 0 or 1.
    """
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=500))
    kernel = make_pipeline(StandardScaler(), PCA(0.9), SVC())
    found = {LINEAR: np.empty(len(viral_N)), KERNEL: np.empty(len(viral_N))}
    for others, fifth in GroupKFold(_FOLDS).split(features_NF, viral_N, groups_N):
        found[LINEAR][fifth] = linear.fit(features_NF[others], viral_N[others]).predict_proba(features_NF[fifth])[:, 1]
        found[KERNEL][fifth] = kernel.fit(features_NF[others], viral_N[others]).predict(features_NF[fifth])
    return found


def estimate_noise(
    name: str,
    p_viral: Mapping[str, NDArray[np.float64]],
    viral_N: NDArray[np.bool_],
    groups_N: NDArray[np.str_],
) -> LabelNoise:
    """Compare models with the labels and with each other, and estimate how many labels are right.

    Parameters
    ----------
    name
        Of the images, as the card shows it.
    p_viral
        P(viral) of each image by two or more models, fitted without the image's patient. The confident-learning
        estimate takes the first; the estimate by agreement the first and the second.
    """
    first, second = list(p_viral)[:2]
    says = {model: p_N > 0.5 for model, p_N in p_viral.items()}
    wrong_N = np.all([said_N != viral_N for said_N in says.values()], axis=0)
    pairs = list(combinations(says, 2))

    def of(rows: NDArray[np.int64]) -> dict[str, float]:
        right = {model: float((said_N[rows] == viral_N[rows]).mean()) for model, said_N in says.items()}
        alike = {f"{a} and {b}": float((says[a][rows] == says[b][rows]).mean()) for a, b in pairs}
        return {
            **right,
            **alike,
            "confident": float(np.trace(confident_joint(p_viral[first][rows], viral_N[rows]))),
            "agreement": right_by_agreement(right[first], right[second], alike[f"{first} and {second}"]),
            "contradicted": float(wrong_N[rows].mean()),
        }

    found = known_only(bootstrap(of, groups_N))
    joint = confident_joint(p_viral[first], viral_N)
    return LabelNoise(
        name,
        len(viral_N),
        models={model: found[model] for model in says},
        agreement={f"{a} and {b}": found[f"{a} and {b}"] for a, b in pairs},
        joint=tuple(tuple(round(float(part), 4) for part in row) for row in joint),
        ceiling=found["confident"],
        ceiling_by_agreement=found.get("agreement"),
        contradicted=found["contradicted"],
    )


def confident_joint(p_viral_N: NDArray[np.float64], viral_N: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the estimated share of images by label (row) and true class (column): bacterial, viral.

    An image counts for a class where its probability reaches the mean that images labelled so have; where it reaches
    both, for the likelier class. The rows are then scaled to how frequent the labels are. A row without any confident
    image counts as its label.

    References
    ----------
    Northcutt, Jiang and Chuang, Confident learning, JAIR 70, 2021, equations 1 to 3
    """
    p_N2 = np.stack([1 - p_viral_N, p_viral_N], axis=1)
    label_N = viral_N.astype(int)
    threshold_2 = np.array([p_N2[label_N == k, k].mean() if (label_N == k).any() else 1.0 for k in (0, 1)])
    reached_N2 = np.where(p_N2 >= threshold_2, p_N2, -1.0)
    confident_N = reached_N2.max(axis=1) >= 0
    joint = np.zeros((2, 2))
    np.add.at(joint, (label_N[confident_N], reached_N2.argmax(axis=1)[confident_N]), 1)
    for k in (0, 1):
        joint[k] = joint[k] / joint[k].sum() if joint[k].any() else np.eye(2)[k]
    return joint * np.bincount(label_N, minlength=2)[:, None] / len(label_N)


def right_by_agreement(first: float, second: float, alike: float) -> float:
    """Return the share of right labels that explains how often two models agree with them and with each other.

    With two classes and errors that are independent of each other, 2 P(a agrees with b) - 1 is the product of
    2 P(a is right) - 1 and 2 P(b is right) - 1. Models that err alike, as all do that see the same images, agree more
    often than that, so the result is a lower bound. NaN where the shares allow no solution.

    References
    ----------
    Dawid and Skene, Maximum likelihood estimation of observer error-rates using the EM algorithm, Applied Statistics
    28, 1979
    """
    both = (2 * first - 1) * (2 * second - 1)
    if both <= 0 or alike <= 0.5:
        return float("nan")
    return float(min((1 + np.sqrt(both / (2 * alike - 1))) / 2, 1.0))
