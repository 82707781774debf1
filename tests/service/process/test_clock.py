"""A clock that is set is noticed, by how much and in which direction; one that merely runs is not."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from service.process.clock import ClockWatch

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@given(st.lists(st.floats(0.001, 3600), max_size=20))
def test_time_that_passes_is_no_step(pauses: list[float]) -> None:
    watch, passed = ClockWatch(), 0.0
    for pause in pauses:
        passed += pause
        watch.look(START + timedelta(seconds=passed), passed)
    assert watch.take() == []
    assert watch.recent_leap(passed) == timedelta(0)


@given(st.floats(10, 1e6), st.booleans())
def test_a_clock_that_is_set_is_noticed_once_with_its_direction(seconds: float, forward: bool) -> None:
    watch, step = ClockWatch(), seconds if forward else -seconds
    watch.look(START, 0)
    watch.look(START + timedelta(seconds=1 + step), 1)
    watch.look(START + timedelta(seconds=2 + step), 2)
    (noticed,) = watch.take()
    assert abs(noticed.seconds - step) < 0.01
    assert watch.take() == []


def test_leases_last_as_long_as_they_were_only_for_a_while_after_a_leap() -> None:
    watch = ClockWatch()
    watch.look(START, 0)
    watch.look(START + timedelta(hours=2), 0)
    assert watch.recent_leap(0) == timedelta(hours=2)
    assert watch.recent_leap(599) == timedelta(hours=2)
    assert watch.recent_leap(601) == timedelta(0)


def test_a_leap_that_is_taken_back_lengthens_no_lease() -> None:
    watch = ClockWatch()
    watch.look(START, 0)
    watch.look(START + timedelta(hours=2), 0)
    watch.look(START + timedelta(seconds=10), 10)
    assert watch.recent_leap(10) == timedelta(0)
