"""What a site's machines are compared with at first: quantiles of both truths at even odds."""

import numpy as np
import pytest

from training.measuring.references import QUANTILES, reference_rows


def test_quantiles_are_of_each_truth_and_at_even_odds() -> None:
    values_N = np.linspace(0.0, 1.0, 101)
    truth_N = values_N >= 0.5
    well, sick = reference_rows(values_N, truth_N, 10 * values_N, 0.5)
    assert (well.truth, well.images, sick.truth, sick.images) == ("normal", 50, "pneumonia", 51)
    assert sick.p_pneumonia == pytest.approx(np.linspace(0.5, 1.0, QUANTILES), abs=1e-4)
    assert well.distance == pytest.approx(np.linspace(0.0, 4.9, QUANTILES), abs=1e-3)
    (shifted,) = reference_rows(np.full(9, 0.7), np.ones(9, dtype=bool), None, 0.7)
    assert shifted.p_pneumonia == (0.5,) * QUANTILES, "what the prevalence alone says is nothing at even odds"
    assert shifted.distance == ()
