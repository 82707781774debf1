import numpy as np
import pytest

pytest.importorskip("sklearn")

from service.demo.phantom import phantom_values
from training.measuring.robustness import CHANGES

_CASES = [(name, strength) for name, (_, strengths) in CHANGES.items() for strength in strengths]


@pytest.mark.parametrize(("name", "strength"), _CASES)
def test_every_change_changes_the_image_and_stays_in_range(name: str, strength: float) -> None:
    values = phantom_values(1, 120, 90)
    before = values.copy()
    found = CHANGES[name][0](values, strength)
    assert found.dtype == np.float32
    assert found.ndim == 2
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.array_equal(values, before)
    assert found.shape != values.shape or np.abs(found - values).max() > 0.01
