"""Control charts for a share: a Bernoulli CUSUM, whose limit holds a stated rate of false alarms.

Each image either shows a characteristic or does not. The chart sums the log-likelihood ratio of a changed share against
the reference's, never below zero. Steps are rounded to whole numbers, so that the average run length to a false alarm
is the exact solution of a Markov chain, and no approximation of it.

References
----------
Reynolds and Stoumbos, A CUSUM chart for monitoring a proportion when inspecting continuously, Journal of Quality
Technology 31, 1999; Brook and Evans, An approach to the probability distribution of CUSUM run length, Biometrika 59,
1972
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import log

import numpy as np

#: How many times the odds of a characteristic must be the reference's to be found soonest.
ODDS_RATIO = 5.0
#: Steps up and down add up to so many units.
_UNITS = 40
#: Shares are rounded to such parts, away from an alarm; nearer to 0 or 1 no chart is kept apart.
_GRID = 0.01
_HIGHEST = 0.95
_FARTHEST = 4000


@dataclass(frozen=True)
class Chart:
    """A chart of one share, in whole units.

    Attributes
    ----------
    share
        The share of the reference, in (0, 1).
    up, down
        By how much an image that shows the characteristic raises the sum, and another lowers it.
    limit
        From which sum on there is an alarm.
    """

    share: float
    up: int
    down: int
    limit: int


@dataclass(frozen=True)
class Path:
    """What a chart shows of a sequence of images.

    Attributes
    ----------
    sums
        The chart's sum after each image.
    alarm_at
        At which image the alarm began that still stands; None where none does.
    """

    sums: tuple[int, ...]
    alarm_at: int | None


@lru_cache(maxsize=1024)
def chart_for(share: float, images_between_false_alarms: float) -> Chart:
    """Return the chart that finds a share that rises, with the least limit that holds the rate of false alarms.

    Parameters
    ----------
    share
        The reference's share of the characteristic, rounded by `cautious`.
    images_between_false_alarms
        Average number of images from one false alarm to the next; at least so many where the share is the reference's.
    """
    odds = ODDS_RATIO * share / (1 - share)
    changed = odds / (1 + odds)
    rise, fall = log(changed / share), -log((1 - changed) / (1 - share))
    up = min(max(round(_UNITS * rise / (rise + fall)), 1), _UNITS - 1)
    down = _UNITS - up
    least, most = 1, _FARTHEST
    while least < most:
        limit = (least + most) // 2 if most < _FARTHEST else min(2 * least, _FARTHEST - 1)
        if average_run_length(share, up, down, limit) >= images_between_false_alarms:
            most = limit
        else:
            least = limit + 1
    return Chart(share, up, down, least)


def average_run_length(share: float, up: int, down: int, limit: int) -> float:
    """Return after how many images the sum reaches the limit on average, from 0, while the share stays what it is."""
    states = np.arange(limit)
    stay = np.eye(limit)
    lower = np.maximum(states - down, 0)
    stay[states, lower] -= 1 - share
    higher = states + up
    inside = higher < limit
    stay[states[inside], higher[inside]] -= share
    return float(np.linalg.solve(stay, np.ones(limit))[0])


def cautious(share: float) -> float:
    """Return a share on the charts' grid, no lower than it is, so that its chart alarms no sooner."""
    return float(np.clip(np.ceil(share / _GRID - 1e-9) * _GRID, _GRID, _HIGHEST))


def walk(chart: Chart, images: Iterable[bool]) -> Path:
    """Return what a chart shows of images, each of which has the characteristic or not.

    An alarm begins where the sum reaches the limit, and ends where it comes back to 0.
    """
    sums: list[int] = []
    total, alarm_at = 0, None
    for place, has in enumerate(images):
        total = min(total + chart.up, chart.limit) if has else max(total - chart.down, 0)
        if total >= chart.limit and alarm_at is None:
            alarm_at = place
        elif total == 0:
            alarm_at = None
        sums.append(total)
    return Path(tuple(sums), alarm_at)
