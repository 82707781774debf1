"""Results about one image are saved in one commit, and nothing stays unsaved for long."""

from datetime import timedelta

from tests.fakes import TurnedClock
from worker.together import Together


def put_aside(clock: TurnedClock, *results: tuple[int, str, float]) -> tuple[Together[str], list[list[str]]]:
    """Put results aside: the image of each, its name, and the seconds that it took."""
    saved: list[list[str]] = []
    together = Together(saved.append, clock)
    for image, name, seconds in results:
        together.begin(image)
        clock.now += timedelta(seconds=seconds)
        together.add(name)
    return together, saved


def test_the_results_of_an_image_are_saved_when_another_begins() -> None:
    together, saved = put_aside(TurnedClock(), (1, "a", 0), (1, "b", 0), (2, "c", 0))
    assert saved == [["a", "b"]]
    together.save()
    together.save()
    assert saved == [["a", "b"], ["c"]]


def test_what_took_long_is_saved_at_once_with_what_was_put_aside() -> None:
    assert put_aside(TurnedClock(), (1, "a", 0.2), (1, "b", 1.0), (1, "c", 0.1))[1] == [["a", "b"]]


def test_a_clock_that_was_set_back_leaves_nothing_unsaved() -> None:
    assert put_aside(TurnedClock(), (1, "a", -3600))[1] == [["a"]]
