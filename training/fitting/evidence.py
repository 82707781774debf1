"""Where a network in training finds its evidence.

Shape suffixes: N images, C channels, H rows, W columns, K classes.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from models.heads import Head


def evidence_outside(
    head: Head,
    features_NCHW: torch.Tensor,
    logits_NK: torch.Tensor,
    fields_N1HW: torch.Tensor,
    pneumonia: tuple[int, ...],
) -> torch.Tensor:
    """Return the mean share of the evidence for or against pneumonia that lies in cells off the lung field.

    The map is that of :mod:`models.class_activation`; a cell that the field covers by half counts as inside.
    """
    positive_K = torch.zeros(logits_NK.shape[1], device=logits_NK.device)
    positive_K[list(pneumonia)] = 1
    shares_NK = logits_NK.detach().softmax(dim=1)
    for_NK, against_NK = (shares_NK + 1e-6) * positive_K, (shares_NK + 1e-6) * (1 - positive_K)
    weights_NK = for_NK / for_NK.sum(dim=1, keepdim=True) - against_NK / against_NK.sum(dim=1, keepdim=True)
    maps_NHW = torch.einsum("nk,kc,nchw->nhw", weights_NK, head.dense.weight, features_NCHW.float())
    covered_N1HW = functional.adaptive_avg_pool2d(fields_N1HW, (features_NCHW.shape[-2], features_NCHW.shape[-1]))
    outside_NHW = (1 - 2 * covered_N1HW[:, 0]).clamp(0, 1)
    strength_NHW = maps_NHW.abs()
    share_N = (strength_NHW * outside_NHW).sum(dim=(1, 2)) / strength_NHW.sum(dim=(1, 2)).clamp_min(1e-6)
    return share_N.mean()
