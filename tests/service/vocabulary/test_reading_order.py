"""The order of reading: bounded overtaking, for whatever arrives."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority
from tests.invariants import Invariant

_START = datetime(2026, 1, 1, tzinfo=UTC)
_minutes = st.integers(0, 24 * 60)
_boosts = st.tuples(st.integers(0, 600), st.integers(0, 600)).map(sorted)
_study = st.tuples(_minutes, st.sampled_from(Priority))


def _order(boosts: list[int]) -> ReadingOrder:
    return ReadingOrder(timedelta(minutes=boosts[0]), timedelta(minutes=boosts[1]))


@pytest.mark.proves(Invariant.OVERTAKING_IS_BOUNDED)
@given(boosts=_boosts, studies=st.lists(_study, max_size=30))
def test_no_study_is_overtaken_by_one_that_arrived_more_than_the_bound_later(
    boosts: list[int], studies: list[tuple[int, Priority]]
) -> None:
    order = _order(boosts)
    bounds = dict(zip(Priority, (0, *boosts), strict=True))
    arrived = [(_START + timedelta(minutes=minute), priority) for minute, priority in studies]
    reading = sorted(range(len(arrived)), key=lambda index: (order.rank(*arrived[index]), arrived[index][0], index))
    for place, index in enumerate(reading):
        for later in reading[place + 1 :]:
            overtaken_by = arrived[index][0] - arrived[later][0]
            assert overtaken_by <= timedelta(minutes=bounds[arrived[index][1]])


@given(boosts=_boosts, minute=_minutes, priorities=st.tuples(st.sampled_from(Priority), st.sampled_from(Priority)))
def test_a_greater_priority_is_never_read_later(
    boosts: list[int], minute: int, priorities: tuple[Priority, Priority]
) -> None:
    order, at = _order(boosts), _START + timedelta(minutes=minute)
    assert order.rank(at, max(priorities)) <= order.rank(at, min(priorities))


@given(minute=_minutes, later=_minutes, priority=st.sampled_from(Priority))
def test_studies_of_equal_priority_are_read_as_they_arrived(minute: int, later: int, priority: Priority) -> None:
    first, second = sorted((minute, later))
    order = ReadingOrder()
    assert order.rank(_START + timedelta(minutes=first), priority) <= order.rank(
        _START + timedelta(minutes=second), priority
    )
