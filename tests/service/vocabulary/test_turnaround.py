"""Waits in buckets: quantiles are within the promised accuracy, however the buckets were gathered."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vocabulary.turnaround import ACCURACY, bucket_of, hour_of, quantile, wait_in

WAITS = st.lists(st.floats(0.02, 30 * 86400), min_size=1, max_size=60)


@given(WAITS, st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_a_quantile_is_as_near_as_promised_to_that_of_the_waits_themselves(seconds: list[float], share: float) -> None:
    counts = Counter(bucket_of(timedelta(seconds=value)) for value in seconds)
    wanted = float(np.quantile(seconds, share, method="lower"))

    assert quantile(counts, share).total_seconds() == pytest.approx(wanted, rel=ACCURACY + 1e-3)


@given(WAITS, WAITS)
def test_buckets_of_two_processes_add_up(first: list[float], second: list[float]) -> None:
    def counted(seconds: list[float]) -> Counter[int]:
        return Counter(bucket_of(timedelta(seconds=value)) for value in seconds)

    assert quantile(counted(first) + counted(second), 0.95) == quantile(counted(first + second), 0.95)


def test_a_wait_that_a_clock_made_negative_counts_as_none() -> None:
    assert wait_in(bucket_of(timedelta(seconds=-5))) < timedelta(milliseconds=11)


def test_an_hour_is_one_hour_in_every_time_zone() -> None:
    moment = datetime(2026, 3, 1, 12, 40, tzinfo=UTC)

    assert hour_of(moment) == hour_of(moment.astimezone(timezone(timedelta(hours=7)))) == moment.replace(minute=0)
