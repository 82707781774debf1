"""What of a network learns, and how fast."""

from __future__ import annotations

import math

import torch

from models.classifier import Classifier
from training.fitting.recipes import Recipe


def optimiser_of(network: Classifier, recipe: Recipe) -> torch.optim.Optimizer:
    """Return what moves the parameters that the recipe trains; the others are held where they are."""
    if recipe.trained == "normalisation and head":
        for parameter in network.backbone.parameters():
            # Kernels are matrices at least; what scales and shifts a channel is a vector.
            parameter.requires_grad = parameter.ndim == 1
    rates = {"backbone": recipe.body_factor, "head": recipe.head_factor}
    groups = [
        {
            "params": [p for p in getattr(network, part).parameters() if p.requires_grad and (p.ndim > 1) == decayed],
            "rate": recipe.learning_rate * factor,
            "weight_decay": recipe.weight_decay if decayed else 0.0,
        }
        for part, factor in rates.items()
        for decayed in (True, False)
    ]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=True)


def rate_factor(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then half a cosine down to the final factor.

    References
    ----------
    Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, equation 5, without restarts
    """
    if progress < recipe.warm_up:
        return max(progress / recipe.warm_up, 0.02)
    falling = (progress - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.final_factor + (1 - recipe.final_factor) * 0.5 * (1 + math.cos(math.pi * falling))
