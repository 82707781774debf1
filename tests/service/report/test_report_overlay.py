"""The picture: a fixed scale, a readable line, and no colour where nothing is asserted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.report.overlay import LONGEST_SIDE, NARROWEST, heat_map, picture, radiograph
from service.report.region import Localisation, Withheld, localise, upsampled
from service.thorax import LungField
from service.vocabulary.findings import Outcome
from service.vocabulary.language import Language
from tests.invariants import Invariant
from tests.service.report.samples import EVERYWHERE, activation, content, lungs, prediction

_GREY = np.full((210, 210), 90, dtype=np.uint8)
_DISPLAY = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (240, 1))


def _spread(picture_RGB: NDArray[np.uint8]) -> int:
    """Return how far a picture is from grey: the widest difference between two channels of one pixel."""
    return int(np.ptp(picture_RGB.astype(np.int16), axis=2).max())


def painted_map(cam: NDArray[np.float32], field: LungField = EVERYWHERE) -> NDArray[np.uint8]:
    return heat_map(_GREY, cam, localise(cam, field))


def test_a_map_of_zeros_adds_no_colour() -> None:
    painted = painted_map(np.zeros((7, 7), dtype=np.float32))
    assert (painted == _GREY[:, :, None]).all()


def test_the_same_map_at_half_strength_is_painted_fainter() -> None:
    cam = np.full((7, 7), 0.4, dtype=np.float32)
    strong, faint = painted_map(cam), painted_map(cam * np.float32(0.5))
    assert _spread(strong) > 2 * _spread(faint) > 0


@pytest.mark.proves(Invariant.HEAT_MAP_SCALE_IS_FIXED)
def test_a_faint_map_is_not_stretched_to_full_colour() -> None:
    cam = np.full((7, 7), 0.01, dtype=np.float32)
    cam[3, 3] = 0.05
    painted = painted_map(cam).astype(np.int16)
    assert np.abs(painted - 90).max() <= 4


@given(st.floats(0, 1), st.floats(0, 1))
def test_what_one_place_is_painted_does_not_depend_on_another(here: float, elsewhere: float) -> None:
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[1, 1] = here
    alone = painted_map(cam)
    cam[5, 5] = elsewhere
    together = painted_map(cam)
    # Cubic interpolation reaches two cells far; beyond, and clear of the outline, nothing may change.
    assert (alone[:70, :70] == together[:70, :70]).all()


@pytest.mark.parametrize("outcome", [Outcome.NEGATIVE, Outcome.INDETERMINATE])
def test_only_a_positive_is_painted_whatever_the_map_says(outcome: Outcome) -> None:
    def drawn(strength: float) -> NDArray[np.uint8]:
        cam = np.full((7, 7), strength, dtype=np.float32)
        return picture(_DISPLAY, content(outcome, prediction=prediction(outcome, cam=cam)), None, "PA view", "1.0.0")

    full = drawn(1.0)
    assert (full == drawn(0.0)).all()
    assert _spread(full[60:]) <= 6, "the radiograph under the line is grey"


def test_a_positive_is_painted_and_has_a_legend() -> None:
    positive = picture(_DISPLAY, content(Outcome.POSITIVE), localise(activation(), EVERYWHERE), "PA view", "1.0.0")
    negative = picture(_DISPLAY, content(Outcome.NEGATIVE), None, "PA view", "1.0.0")
    assert _spread(positive[60:]) > 60
    assert positive.shape[1] > negative.shape[1]


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_picture_of_any_shape_has_room_for_its_line(rows: int, columns: int) -> None:
    display = np.zeros((rows, columns), dtype=np.float32)
    drawn = picture(display, content(Outcome.POSITIVE), localise(activation(), EVERYWHERE), "PA view", "1.0.0")
    assert drawn.dtype == np.uint8
    assert drawn.shape[1] >= NARROWEST
    assert max(drawn.shape[:2]) <= LONGEST_SIDE + 330
    line, margin = drawn[:30, :], drawn[:30, -8:]
    assert line.max() > 180, "there is text"
    assert margin.max() < 60, "and it ends before the edge"


def test_a_long_model_name_widens_the_picture_instead_of_being_cut() -> None:
    long = prediction(Outcome.NEGATIVE, checkpoint_name="a-rather-long-name-of-a-checkpoint" * 3)
    drawn = picture(_DISPLAY, content(Outcome.NEGATIVE, prediction=long), None, "PA view", "1.0.0")
    assert drawn.shape[1] > LONGEST_SIDE
    assert drawn[:24, -8:].max() < 60


@pytest.mark.parametrize("shape", [(3000, 2500), (224, 224)])
def test_the_radiograph_is_brought_to_one_size_without_changing_its_values(shape: tuple[int, int]) -> None:
    display = np.tile(np.linspace(0, 1, shape[1], dtype=np.float32), (shape[0], 1))
    grey = radiograph(display)
    assert max(grey.shape) == LONGEST_SIDE
    expected = np.linspace(0, 255, grey.shape[1])
    assert np.abs(grey[10].astype(float) - expected).max() < 2


def test_values_outside_the_range_or_missing_are_clipped() -> None:
    display = np.array([[-1.0, 2.0], [np.nan, 0.5]], dtype=np.float32).repeat(600, axis=0).repeat(600, axis=1)
    grey = radiograph(display)
    assert (grey[10, 10], grey[10, -10], grey[-10, 10], grey[-10, -10]) == (0, 255, 0, 128)


def test_each_cell_of_the_map_lies_over_its_part_of_the_image() -> None:
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[6, 0] = 1
    activation_map = upsampled(cam, 700, 700)
    row, column = np.unravel_index(np.argmax(activation_map), activation_map.shape)
    assert row >= 600
    assert column < 100
    assert activation_map[:400].max() == 0


def test_interpolation_shows_nothing_more_activated_than_the_highest_cell() -> None:
    cam = activation() * np.float32(0.5)
    assert upsampled(cam, 300, 300).max() == cam.max() == np.float32(0.45)


def test_an_upsampled_map_never_leaves_its_scale() -> None:
    checker = np.indices((7, 7)).sum(axis=0) % 2
    activation_map = upsampled(checker.astype(np.float32), 300, 300)
    assert activation_map.min() == 0
    assert activation_map.max() == 1


def test_a_map_without_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="rows x cols"):
        upsampled(np.zeros((0, 7), dtype=np.float32), 10, 10)


def test_outside_the_lung_field_the_map_is_grey_and_not_less_strong() -> None:
    cam = np.full((7, 7), 0.8, dtype=np.float32)
    field = lungs()
    painted = painted_map(cam, field).astype(np.int16)
    assert np.ptp(painted[100, 105]) == 0, "the spine is grey"
    assert painted[100, 105, 0] > 90, "and marked all the same"
    assert np.ptp(painted[110, 50]) > 60, "a lung is coloured"


@pytest.mark.parametrize("withheld", list(Withheld))
def test_a_withheld_map_is_not_painted_and_the_picture_says_why(withheld: Withheld) -> None:
    where = Localisation(None, (), 0.8, False, withheld)
    drawn = picture(_DISPLAY, content(Outcome.POSITIVE), where, "PA view", "1.0.0")
    plain = picture(_DISPLAY, content(Outcome.NEGATIVE), None, "PA view", "1.0.0")
    assert _spread(drawn[60 : plain.shape[0]]) <= 6, "no colour over the radiograph"
    assert drawn.shape[0] > plain.shape[0]
    assert drawn[plain.shape[0] :].max() > 180, "a line below it"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("shape", [(200, 3000), (1500, 2500), (3000, 2500)])
def test_no_line_of_the_legend_is_cut_off(language: Language, shape: tuple[int, int]) -> None:
    display = np.zeros(shape, dtype=np.float32)
    what = content(Outcome.POSITIVE, language=language)
    drawn = picture(display, what, localise(activation(), EVERYWHERE), "PA view", "1.0.0")
    legend = drawn[:, -112:].max(axis=2)
    assert legend[-10:].max() < 60, "the last line ends above the lower edge"
    assert legend[40:, -3:].max() < 60, "and each before the right edge"
    tall = picture(np.zeros((3000, 2500), dtype=np.float32), what, localise(activation(), EVERYWHERE), "PA", "1.0.0")
    assert _lines(legend[100:]) == _lines(tall[100:, -112:].max(axis=2)), "as many lines as where there is room"


def _lines(text: NDArray[np.uint8]) -> int:
    """Return how many lines of the small faint text there are: the bar and its numbers are brighter."""
    faint = ((text > 120) & (text < 180)).sum(axis=1) > 4
    return int((np.diff(faint.astype(int)) == 1).sum())


@pytest.mark.parametrize("outcome", [Outcome.NEGATIVE, Outcome.INDETERMINATE])
def test_a_picture_without_a_map_says_when_another_image_of_the_study_is_positive(outcome: Outcome) -> None:
    """All pictures of a study stand in one series, and a viewer shows one of them."""
    alone, beside = (
        picture(_DISPLAY, content(outcome, other_images=others), None, "PA view", "1.0.0")
        for others in ((Outcome.NEGATIVE,), (Outcome.NEGATIVE, Outcome.POSITIVE))
    )
    assert (beside[: alone.shape[0]] == alone).all()
    assert beside[alone.shape[0] :].max() > 180, "a line below it"
