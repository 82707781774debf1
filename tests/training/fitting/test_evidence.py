import pytest

pytest.importorskip("torch")

import torch

from models.heads import Head
from training.fitting.evidence import evidence_outside


def _head() -> Head:
    head = Head("dropout-gap", 2, 3, 4)
    torch.nn.init.zeros_(head.dense.weight)
    head.dense.weight.data[1, 0] = 1.0  # the first channel speaks for one pneumonia class
    head.dense.weight.data[0, 1] = 1.0  # the second for normal
    return head


def _share(features: torch.Tensor, fields: torch.Tensor) -> float:
    return evidence_outside(_head(), features, torch.zeros(len(features), 3), fields, (1, 2)).item()


def test_evidence_counts_as_outside_by_the_cell_it_lies_in() -> None:
    fields = torch.zeros(1, 1, 128, 128)
    fields[..., :64] = 1  # the left half is lung
    features = torch.zeros(1, 2, 4, 4)
    features[0, 0, 1, 0] = 3.0
    assert _share(features, fields) == pytest.approx(0)
    features[0, 0, 1, 3] = 1.0
    assert _share(features, fields) == pytest.approx(0.25)


def test_evidence_against_pneumonia_counts_too() -> None:
    fields = torch.zeros(1, 1, 128, 128)
    fields[..., :64] = 1
    features = torch.zeros(1, 2, 4, 4)
    features[0, 1, 2, 3] = 5.0
    assert _share(features, fields) == pytest.approx(1)


def test_the_share_pulls_the_features_outside_towards_nothing() -> None:
    features = torch.rand(2, 2, 4, 4, requires_grad=True)
    fields = torch.zeros(2, 1, 128, 128)
    fields[..., :64] = 1
    evidence_outside(_head(), features, torch.zeros(2, 3), fields, (1, 2)).backward()
    assert features.grad is not None
    assert (features.grad[:, 0, :, 2:] > 0).any()
