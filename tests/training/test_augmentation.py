import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from models.transforms import standardise as standardise_image
from training.augmentation import augment, standardise
from training.recipes import THREE_CLASS, Augmentation

_STILL = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))


def _images(count: int = 4, size: int = 64) -> torch.Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))


def test_changed_images_stay_grey_values_of_the_size_asked_for() -> None:
    found = augment(_images(), 48, THREE_CLASS.augmentation, torch.Generator().manual_seed(1))
    assert found.shape == (4, 1, 48, 48)
    assert found.dtype == torch.float32
    assert 0 <= found.min() <= found.max() <= 1


def test_the_same_seed_changes_alike_and_another_differs() -> None:
    first, again, other = (
        augment(_images(), 64, THREE_CLASS.augmentation, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_strength_at_all_changes_nothing() -> None:
    images = _images().clamp(0.01, 0.99)
    found = augment(images, 64, _STILL, torch.Generator().manual_seed(1))
    # Corner rectangles have probability 0, every other strength is 0.
    assert torch.allclose(found, images, atol=1e-4)


def test_every_image_of_a_batch_is_changed_in_its_own_way() -> None:
    same = _images(1).expand(6, -1, -1, -1)
    found = augment(same, 64, THREE_CLASS.augmentation, torch.Generator().manual_seed(3))
    assert len({image.numpy().tobytes() for image in found}) == 6


def test_standardising_a_batch_equals_the_products_transform() -> None:
    images = _images(3)
    expected = np.stack([standardise_image(image[0].numpy()) for image in images])
    assert np.allclose(standardise(images)[:, 0].numpy(), expected, atol=1e-4)
