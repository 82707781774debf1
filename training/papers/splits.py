"""Which images train and which test, under either protocol. Shape suffixes: N images, M some of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from training.papers.rows import Draw, Folds, Protocol

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Rows that train and rows that test."""

    train_M: Rows
    test_M: Rows

    @property
    def rows(self) -> Rows:
        """Both together."""
        return np.concatenate([self.train_M, self.test_M])

    def within(self, used: Rows) -> Split:
        """Return the split as positions among the used rows, which are sorted."""
        return Split(np.searchsorted(used, self.train_M), np.searchsorted(used, self.test_M))

    def shared(self, groups_N: NDArray[np.str_]) -> int:
        """Return how many test images show a patient who also stands in the training images."""
        return int(np.isin(groups_N[self.test_M], groups_N[self.train_M]).sum())


def make_splits(
    plan: Folds | Draw, targets_N: NDArray[np.int64], groups_N: NDArray[np.str_], protocol: Protocol, seed: int
) -> list[Split]:
    """Return the splits of a plan.

    Both protocols test the same images: each one once in folds, the same draw otherwise. So what they differ in is the
    training images alone, and their difference can be measured image by image.

    Raises
    ------
    ValueError
        When a class has fewer images than the plan draws.
    """
    if isinstance(plan, Draw):
        return [_draw(plan, targets_N, groups_N, protocol, seed)]
    if protocol == "published":
        folds = StratifiedKFold(plan.count, shuffle=True, random_state=seed).split(targets_N, targets_N)
    else:
        folds = StratifiedGroupKFold(plan.count, shuffle=True, random_state=seed).split(targets_N, targets_N, groups_N)
    return [Split(train_M, test_M) for train_M, test_M in folds]


def _draw(plan: Draw, targets_N: NDArray[np.int64], groups_N: NDArray[np.str_], protocol: Protocol, seed: int) -> Split:
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(targets_N))
    test_M = _first(order, targets_N, plan.test)
    left = ~np.isin(order, test_M)
    if protocol == "grouped":
        left &= ~np.isin(groups_N[order], groups_N[test_M])
    train_M = order[left] if plan.train is None else _first(order[left], targets_N, plan.train)
    return Split(np.sort(train_M), np.sort(test_M))


def _first(order: Rows, targets_N: NDArray[np.int64], counts: tuple[int, ...]) -> Rows:
    """Return the first rows of each class in an order, as many as asked for."""
    chosen = []
    for target, count in enumerate(counts):
        rows = order[targets_N[order] == target]
        if len(rows) < count:
            raise ValueError(f"The paper's split takes {count} images of class {target}; the data have {len(rows)}.")
        chosen.append(rows[:count])
    return np.concatenate(chosen)
