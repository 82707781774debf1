"""Simulated reading: what holds for every order, and figures that are known from elsewhere."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.simulation import Case, Waits, begins, reading_times, scaled, waits
from service.vocabulary.facts import Discipline
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import Priority

START, ORDER = datetime(2026, 3, 1, tzinfo=UTC), ReadingOrder()


def case(minutes: float, priority: Priority, reading: float) -> Case:
    return Case(START + timedelta(minutes=minutes), priority, 60 * reading)


CASES = st.lists(
    st.builds(case, st.integers(0, 900), st.sampled_from(Priority), st.integers(1, 60)), min_size=1, max_size=40
)


@given(CASES, st.sampled_from(Discipline), st.integers(1, 4))
def test_nobody_is_read_before_arriving_and_no_reader_rests_while_a_study_waits(
    cases: list[Case], discipline: Discipline, readers: int
) -> None:
    begun = begins(cases, discipline, ORDER, readers)
    assert all(begin >= case.arrived_at for case, begin in zip(cases, begun, strict=True))
    ends = [begin + timedelta(seconds=case.reading_s) for case, begin in zip(cases, begun, strict=True)]
    for own, begin in zip(cases, begun, strict=True):
        busy = sum(one <= begin < end for one, end in zip(begun, ends, strict=True))
        assert busy <= readers
        if begin > own.arrived_at:  # whoever waits begins in the moment in which a reader is free
            assert begin in ends


@given(CASES)
def test_no_order_changes_the_work_that_waits_in_all(cases: list[Case]) -> None:
    """Kleinrock's conservation law: with one reader the waits, weighted by the readings, have one sum."""
    sums = [
        sum(
            own.reading_s * (begin - own.arrived_at).total_seconds()
            for own, begin in zip(cases, begins(cases, discipline, ORDER), strict=True)
        )
        for discipline in Discipline
    ]
    assert sums == [pytest.approx(sums[0], abs=1e-3)] * len(sums)


@given(CASES)
def test_in_our_order_nobody_is_overtaken_by_what_arrived_more_than_the_bound_later(cases: list[Case]) -> None:
    begun = begins(cases, Discipline.OURS, ORDER)
    for own, begin in zip(cases, begun, strict=True):
        for other, earlier in zip(cases, begun, strict=True):
            if earlier < begin and other.arrived_at > own.arrived_at:
                assert other.arrived_at - own.arrived_at <= ORDER.stat_boost


@given(CASES)
def test_one_class_alone_is_read_as_it_comes_in_every_order(cases: list[Case]) -> None:
    alike = [Case(own.arrived_at, Priority.URGENT, own.reading_s) for own in cases]
    first = begins(alike, Discipline.FIRST_COME, ORDER)
    assert all(begins(alike, discipline, ORDER) == first for discipline in Discipline)


@given(CASES, st.floats(0.1, 3.0), st.integers(1, 4))
def test_a_load_is_the_share_of_the_time_that_the_readings_take(cases: list[Case], load: float, readers: int) -> None:
    arrivals = [own.arrived_at for own in cases]
    span = (max(arrivals) - min(arrivals)).total_seconds()
    if not span:
        with pytest.raises(ValueError, match="same moment"):
            scaled(cases, load, readers)
        return
    work = sum(own.reading_s for own in scaled(cases, load, readers))
    assert work / span / readers == pytest.approx(load)


def poisson(count: int, load: float, share: float, seed: int = 7) -> list[Case]:
    """Make a stream of exponential gaps and readings of mean 10 minutes; some are urgent."""
    drawn, minutes, made = random.Random(seed), 0.0, []
    for _ in range(count):
        minutes += drawn.expovariate(load / 10)
        urgent = drawn.random() < share
        made.append(case(minutes, Priority.URGENT if urgent else Priority.ROUTINE, drawn.expovariate(1 / 10)))
    return made


def by_class(cases: Sequence[Case], discipline: Discipline) -> dict[Priority | None, Waits]:
    return dict(waits(cases, begins(cases, discipline, ORDER)))


def test_queues_that_can_be_calculated_wait_as_calculated() -> None:
    """M/M/1, and Cobham's formula for two classes without pre-emption, both at load 0.8 with a fifth urgent."""
    cases = poisson(20_000, 0.8, 0.2)
    residual = 0.8 * 600  # of the reading under way, in seconds
    first, strict = by_class(cases, Discipline.FIRST_COME), by_class(cases, Discipline.STRICT)
    assert first[None].mean == pytest.approx(residual / (1 - 0.8), rel=0.1)
    assert strict[Priority.URGENT].mean == pytest.approx(residual / (1 - 0.16), rel=0.1)
    assert strict[Priority.ROUTINE].mean == pytest.approx(residual / (1 - 0.16) / (1 - 0.8), rel=0.1)


def test_priority_without_an_upper_limit_halves_the_urgent_wait_and_lengthens_the_longest_as_was_published() -> None:
    """Published: the mean for pneumothorax fell from 80 to 36 minutes, the longest rose from 890 to 1,293."""
    cases = poisson(3_000, 0.97, 0.05)
    first, ours, strict = (by_class(cases, discipline) for discipline in Discipline)
    assert strict[Priority.URGENT].mean < first[Priority.URGENT].mean * 36 / 80
    assert strict[None].longest > first[None].longest
    assert ours[Priority.URGENT].mean < first[Priority.URGENT].mean
    bound = ORDER.urgent_boost.total_seconds()
    assert ours[None].longest <= strict[None].longest + bound


def test_above_a_load_of_one_our_order_lets_routine_studies_wait_no_longer_than_all_must() -> None:
    cases = scaled(poisson(2_000, 0.9, 0.7), 1.2, 1)
    first, ours, strict = (by_class(cases, discipline) for discipline in Discipline)
    assert strict[Priority.ROUTINE].longest > 2 * first[Priority.ROUTINE].longest
    assert ours[Priority.ROUTINE].longest < first[Priority.ROUTINE].longest + 2 * ORDER.urgent_boost.total_seconds()


def test_readings_are_drawn_from_the_gaps_between_them_where_there_are_enough() -> None:
    read = [START + timedelta(minutes=3 * number) for number in range(60)]
    assert set(reading_times(read, 20)) == {180.0}
    assert len(set(reading_times(read[:5], 20))) == 20
    assert reading_times(read[:5], 20) == reading_times(read[:5], 20)
