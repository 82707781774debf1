"""The one set of regions: in the lung field, largest first, and none where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.report.region import ACTIVATED, MOST_OUTSIDE, Withheld, activation_within, localise, upsampled
from service.thorax import SIDE, LungField
from tests.service.report.samples import EVERYWHERE, activation, lungs


def test_outlines_come_largest_first() -> None:
    cam = np.zeros((14, 14), dtype=np.float32)
    cam[1:3, 1:3] = 0.9
    cam[8:12, 8:12] = 0.9
    big, small = localise(cam, EVERYWHERE).regions
    assert big.min() > 0.5 > small.max()


def test_a_positive_whose_map_stays_below_the_limit_has_no_outline() -> None:
    found = localise(activation() * np.float32(0.5), EVERYWHERE)
    assert found.regions == ()
    assert found.withheld is None


def test_what_is_activated_beside_the_lungs_has_no_region_and_is_counted() -> None:
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[0, 0], cam[3:5, 5] = 1.0, 0.8
    found = localise(cam, lungs())
    assert len(found.regions) == 1
    assert found.regions[0].min() > 0.3
    assert found.outside is not None
    assert 0.2 < found.outside < MOST_OUTSIDE
    assert not found.peak_in_lungs


def test_a_map_that_lies_beside_the_lungs_is_withheld() -> None:
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[0, 0] = 1.0
    found = localise(cam, lungs())
    assert found.withheld is Withheld.OFF_LUNGS
    assert found.regions == ()
    assert found.outside is not None
    assert found.outside > MOST_OUTSIDE


def test_without_a_lung_field_the_map_is_withheld_and_nothing_is_said_of_a_share() -> None:
    found = localise(activation(), None)
    assert (found.withheld, found.outside, found.regions) == (Withheld.NO_LUNG_FIELD, None, ())


def test_half_a_cell_beyond_the_field_counts_as_inside() -> None:
    near = np.zeros((SIDE, SIDE), dtype=bool)
    near[:, SIDE // 2 :] = True
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[3, 3] = 1.0  # the cell that the edge runs through
    assert localise(cam, LungField(near, borrowed=False)).peak_in_lungs
    cam = np.roll(cam, -2, axis=1)
    assert not localise(cam, LungField(near, borrowed=False)).peak_in_lungs


@given(arrays(np.float32, st.sampled_from([(7, 7), (5, 5), (10, 8)]), elements=st.floats(0, 1, width=32)))
def test_every_region_lies_in_the_lung_field_and_is_activated(cam: np.ndarray) -> None:
    field = lungs()
    found = localise(cam, field)
    activated = upsampled(cam, SIDE, SIDE) >= ACTIVATED
    for region in found.regions:
        assert (region[0] == region[-1]).all()
        column, row = np.floor(region * SIDE).astype(int).T
        # Every corner, which is what a line is drawn through, lies in the lung field where the map is activated.
        assert field.mask_HW[row, column].all()
        assert activated[row, column].all()
        assert 0 < activation_within(cam, region) <= 1
    assert found.outside is None or 0 <= found.outside <= 1
    assert (found.outside is None) == (not cam.any())
    assert (found.withheld is None) == (found.outside is None or found.outside <= MOST_OUTSIDE)


def test_the_shares_of_separate_regions_add_up_to_at_most_all() -> None:
    cam = np.zeros((7, 7), dtype=np.float32)
    cam[3, 1], cam[3, 5] = 0.9, 0.9
    found = localise(cam, EVERYWHERE)
    shares = [activation_within(cam, region) for region in found.regions]
    assert len(shares) == 2
    assert shares[0] == pytest.approx(shares[1], abs=0.02)
    assert 0.4 < sum(shares) < 1
