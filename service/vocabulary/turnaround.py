"""How long things take, hour by hour: waits in buckets whose width grows with them, and quantiles out of buckets.

A bucket's middle is at most `ACCURACY` away from each wait in it, so a quantile is too; buckets of any processes, hours
and sources add up.

References
----------
Masson, Rim and Lee, DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees, PVLDB 12
(2019), section 2.1
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import accumulate

ACCURACY = 0.05
_BASE = (1 + ACCURACY) / (1 - ACCURACY)
#: What is shorter is told apart by nobody.
_SHORTEST_S = 0.01

#: The name of a figure, the hour (UTC) in which the wait ended, the source, the bucket.
TurnaroundKey = tuple[str, datetime, str, int]


def hour_of(at: datetime) -> datetime:
    """Return the beginning of a moment's hour, in UTC."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def bucket_of(waited: timedelta) -> int:
    """Return the number of a wait's bucket."""
    return math.ceil(math.log(max(waited.total_seconds(), _SHORTEST_S), _BASE))


def wait_in(bucket: int) -> timedelta:
    """Return the wait that stands for a bucket."""
    return timedelta(seconds=2 * _BASE**bucket / (_BASE + 1))


def quantile(counts: Mapping[int, int], share: float) -> timedelta:
    """Return the wait that a share, in [0, 1], of all waits does not exceed.

    Parameters
    ----------
    counts
        How many waits fell into each bucket; at least one.
    """
    buckets = sorted(counts)
    seen = list(accumulate(counts[bucket] for bucket in buckets))
    rank = share * (seen[-1] - 1)
    return wait_in(buckets[bisect_right(seen, rank)])
