from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from training.fitting.augmentation import augment, exchange_style
from training.fitting.recipes import THREE_CLASS, Augmentation

_STILL = Augmentation(**dict.fromkeys(Augmentation.__dataclass_fields__, 0.0))


def _images(count: int = 4, size: int = 64) -> torch.Tensor:
    return torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(0))


def test_changed_images_stay_grey_values_of_the_size_asked_for() -> None:
    found, _ = augment(_images(), 48, THREE_CLASS.augmentation, torch.Generator().manual_seed(1))
    assert found.shape == (4, 1, 48, 48)
    assert found.dtype == torch.float32
    assert 0 <= found.min() <= found.max() <= 1


def test_the_same_seed_changes_alike_and_another_differs() -> None:
    first, again, other = (
        augment(_images(), 64, THREE_CLASS.augmentation, torch.Generator().manual_seed(seed))[0] for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_strength_at_all_changes_nothing() -> None:
    images = _images().clamp(0.01, 0.99)
    found, _ = augment(images, 64, _STILL, torch.Generator().manual_seed(1))
    # Corner rectangles have probability 0, every other strength is 0.
    assert torch.allclose(found, images, atol=1e-4)


def test_every_image_of_a_batch_is_changed_in_its_own_way() -> None:
    same = _images(1).expand(6, -1, -1, -1)
    found, _ = augment(same, 64, THREE_CLASS.augmentation, torch.Generator().manual_seed(3))
    assert len({image.numpy().tobytes() for image in found}) == 6


def test_text_is_burned_in_and_leaves_the_rest_alone() -> None:
    written = replace(_STILL, text_probability=1.0)
    images = torch.full((8, 1, 224, 224), 0.3)
    found, _ = augment(images, 224, written, torch.Generator().manual_seed(1))
    shares = (found > 0.5).float().mean(dim=(1, 2, 3))
    assert ((shares > 0) & (shares < 0.1)).all()
    assert torch.allclose(found[found < 0.5], torch.tensor(0.3), atol=1e-3)


def test_an_equalised_image_uses_the_whole_range_of_greys() -> None:
    images = _images(2) * 0.2 + 0.4
    found, _ = augment(images.clone(), 64, replace(_STILL, equalise_probability=1.0), torch.Generator().manual_seed(2))
    assert (found.amax(dim=(1, 2, 3)) - found.amin(dim=(1, 2, 3)) > 0.25).all()


def test_local_contrast_leaves_an_even_image_as_it_is() -> None:
    even = torch.full((3, 1, 64, 64), 0.4)
    found, _ = augment(even, 64, replace(_STILL, local_contrast=1.0), torch.Generator().manual_seed(2))
    assert torch.allclose(found, even, atol=1e-4)


def test_masks_move_with_the_image_and_keep_their_values() -> None:
    square = torch.zeros(6, 1, 64, 64)
    square[..., 20:44, 20:44] = 1
    turned = replace(_STILL, rotation_degrees=20.0, shift=0.1, flip_probability=0.5)
    images, masks = augment(torch.cat([square, square], dim=1), 64, turned, torch.Generator().manual_seed(5))
    assert masks.shape == (6, 1, 64, 64)
    assert (images - masks).abs().max() < 1e-3
    assert not torch.equal(masks, square)


def test_styles_are_exchanged_only_as_often_as_asked() -> None:
    images, donors = _images(8), _images(8).flip(0).pow(3)
    none = exchange_style(images, donors, _STILL, torch.Generator().manual_seed(1))
    assert torch.equal(none, images)
    strength = replace(_STILL, style_probability=0.5)
    some = exchange_style(images, donors, strength, torch.Generator().manual_seed(1))
    changed = [not torch.equal(before, after) for before, after in zip(images, some, strict=True)]
    assert any(changed)
    assert not all(changed)
