"""Fine-tuning: one resumable run of a recipe.

Progress is measured in work (epochs times image area), or in elapsed time where a budget makes that the larger:
a run that has a budget always completes its schedule, with fewer images.
Shape suffixes: N images, H rows, W columns, K classes.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import nn
from torch.nn import functional

from models.classifier import Classifier
from training.augmentation import augment, standardise
from training.dataset import ImageSet
from training.recipes import Recipe


@dataclass
class Run:
    """State of a run between epochs; what is written to disk to resume from."""

    network: Classifier
    average: Classifier
    optimiser: torch.optim.Optimizer
    work: float = 0.0
    seconds: float = 0.0
    epoch: int = 0
    steps: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_loss: float = math.inf
    targets_NK: torch.Tensor = field(default_factory=lambda: torch.empty(0))


def train(
    recipe: Recipe,
    images: ImageSet,
    validation: ImageSet,
    init: Path,
    folder: Path,
    budget_seconds: float | None = None,
    report: Callable[[dict[str, float]], None] = lambda _: None,
) -> list[dict[str, float]]:
    """Fine-tune from ImageNet or checkpoint weights, or resume from ``folder/last.pt``; return the history.

    ``folder/best.pt`` holds the averaged weights of the epoch with the lowest validation loss, or what the recipe's
    ``start_share`` says, ``folder/history.json`` a line for each epoch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _start(recipe, init)
    run.targets_NK = functional.one_hot(torch.from_numpy(images.targets_N), len(recipe.classes)).float()
    start = copy.deepcopy(run.average.state_dict())
    last = folder / "last.pt"
    if last.exists():
        _restore(run, last)
    whole_batches = len(images) // recipe.batch_size * recipe.batch_size
    total_work = sum(stage.cost for stage in recipe.stages) * whole_batches
    while (before := _progress(run, total_work, budget_seconds)) < 1 - 1e-6:
        size, began = recipe.size_at(before), time.monotonic()
        loss = _train_epoch(run, recipe, images, size, total_work, budget_seconds)
        run.seconds += time.monotonic() - began
        run.epoch += 1
        logits_NK = predict_logits(run.average, validation.pixels_NHW)
        row = {"epoch": run.epoch, "size": size, "seconds": round(run.seconds), "loss": loss}
        row |= _figures(logits_NK, validation.targets_N)
        run.history.append(row)
        if row["val_loss"] < run.best_loss:
            run.best_loss = row["val_loss"]
            torch.save(run.average.state_dict(), folder / "best.pt")
        _save(run, last)
        (folder / "history.json").write_text(json.dumps({"recipe": asdict(recipe), "epochs": run.history}, indent=1))
        report(row)
    if recipe.start_share is not None:
        torch.save(_mean(run.average.state_dict(), start, recipe.start_share), folder / "best.pt")
    return run.history


def _mean(end: dict[str, torch.Tensor], start: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Return the weights at the end of a run with a share of those that it began with."""
    return {
        key: value.lerp(start[key], share) if value.dtype.is_floating_point else value for key, value in end.items()
    }


def predict_logits(
    network: nn.Module, pixels_NHW: npt.NDArray[np.uint8], batch_size: int = 32
) -> npt.NDArray[np.float64]:
    """Return the logits (N x K) of grey uint8 images at their own size, without augmentation."""
    network.eval()
    pieces = []
    with torch.inference_mode(), _autocast():
        for start in range(0, len(pixels_NHW), batch_size):
            grey = torch.from_numpy(pixels_NHW[start : start + batch_size, None]).float() / 255
            pieces.append(network(_to_input(grey)).double())
    logits: npt.NDArray[np.float64] = torch.cat(pieces).numpy()
    return logits


def _start(recipe: Recipe, init: Path) -> Run:
    torch.manual_seed(recipe.seed)
    network = Classifier(recipe.backbone, recipe.head, len(recipe.classes), recipe.stages[-1].size, recipe.dropout)
    network.load(init)
    network = network.to(memory_format=torch.channels_last)
    rates = {"backbone": recipe.body_factor, "head": recipe.head_factor}
    groups = [
        {
            "params": [p for p in getattr(network, part).parameters() if (p.ndim > 1) == decayed],
            "rate": recipe.learning_rate * factor,
            "weight_decay": recipe.weight_decay if decayed else 0.0,
        }
        for part, factor in rates.items()
        for decayed in (True, False)
    ]
    return Run(network, copy.deepcopy(network), torch.optim.AdamW(groups, lr=recipe.learning_rate))


def _progress(run: Run, total_work: float, budget_seconds: float | None, running: float = 0.0) -> float:
    timed = (run.seconds + running) / budget_seconds if budget_seconds else 0.0
    return min(1.0, max(run.work / total_work, timed))


def _rate_factor(recipe: Recipe, progress: float) -> float:
    """Linear warm-up, then half a cosine down to the final factor."""
    if progress < recipe.warm_up:
        return max(progress / recipe.warm_up, 0.02)
    falling = (progress - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.final_factor + (1 - recipe.final_factor) * 0.5 * (1 + math.cos(math.pi * falling))


def _train_epoch(
    run: Run, recipe: Recipe, images: ImageSet, size: int, total_work: float, budget_seconds: float | None
) -> float:
    """Pass over the training images once, or until the budget is spent; return the mean loss."""
    generator = torch.Generator().manual_seed(recipe.seed * 1000 + run.epoch)
    torch.manual_seed(recipe.seed * 1000 + run.epoch)
    weight = _class_weight(images) if recipe.class_weighted else None
    run.network.train()
    began, losses = time.monotonic(), []
    batches = list(_batches(len(images), recipe.batch_size, generator))
    for chosen in track(batches, f"epoch {run.epoch + 1} at {size}", transient=True):
        progress = _progress(run, total_work, budget_seconds, time.monotonic() - began)
        if progress >= 1:
            break
        for group in run.optimiser.param_groups:
            group["lr"] = group["rate"] * _rate_factor(recipe, progress)
        grey = torch.from_numpy(images.pixels_NHW[chosen][:, None]).float() / 255
        inputs = _to_input(augment(grey, size, recipe.augmentation, generator))
        losses.append(_step(run, recipe, inputs, torch.from_numpy(chosen), weight))
        run.work += len(chosen) * float(size) ** 2
    return float(np.mean(losses)) if losses else math.nan


def _step(run: Run, recipe: Recipe, inputs: torch.Tensor, chosen: torch.Tensor, weight: torch.Tensor | None) -> float:
    with _autocast():
        logits = run.network(inputs).float()
    if recipe.target_momentum < 1:
        run.targets_NK[chosen] = torch.lerp(
            logits.detach().softmax(dim=1), run.targets_NK[chosen], recipe.target_momentum
        )
    loss = functional.cross_entropy(logits, run.targets_NK[chosen], weight, label_smoothing=recipe.label_smoothing)
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.network.parameters(), 2.0)
    run.optimiser.step()
    _average(run, recipe.average_decay)
    return float(loss.detach())


@torch.no_grad()
def _average(run: Run, decay: float) -> None:
    """Move the averaged weights and batch statistics towards the network's."""
    run.steps += 1
    averaged, warmed = run.average.state_dict(), min(decay, run.steps / (10 + run.steps))
    for key, value in run.network.state_dict().items():
        if value.dtype.is_floating_point:
            averaged[key].lerp_(value, 1 - warmed)
        else:
            averaged[key].copy_(value)


def _to_input(images_N1HW: torch.Tensor) -> torch.Tensor:
    grey = standardise(images_N1HW).expand(-1, 3, -1, -1)
    return grey.contiguous(memory_format=torch.channels_last)


def _autocast() -> torch.autocast:
    """Compute in bfloat16: 2.4 times the speed of float32 on processors with AVX512-BF16."""
    return torch.autocast("cpu", torch.bfloat16)


def _batches(count: int, size: int, generator: torch.Generator) -> Iterator[npt.NDArray[np.int64]]:
    order = torch.randperm(count, generator=generator).numpy()
    for start in range(0, count - size + 1, size):
        yield order[start : start + size]


def _class_weight(images: ImageSet) -> torch.Tensor:
    counts = np.bincount(images.targets_N, minlength=len(images.classes))
    return torch.tensor(len(images) / (len(images.classes) * counts), dtype=torch.float32)


def _figures(logits_NK: npt.NDArray[np.float64], targets_N: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return the validation figures that a line of the history shows."""
    logits, targets = torch.from_numpy(logits_NK), torch.from_numpy(targets_N)
    guessed = logits.argmax(dim=1)
    return {
        "val_loss": float(functional.cross_entropy(logits, targets)),
        "val_accuracy": float((guessed == targets).double().mean()),
        "val_pneumonia_accuracy": float(((guessed > 0) == (targets > 0)).double().mean()),
    }


def _save(run: Run, path: Path) -> None:
    state: dict[str, Any] = {
        "network": run.network.state_dict(),
        "average": run.average.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "targets": run.targets_NK,
        "rest": [run.work, run.seconds, run.epoch, run.steps, run.history, run.best_loss],
    }
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def _restore(run: Run, path: Path) -> None:
    state = torch.load(path, weights_only=True)
    run.network.load_state_dict(state["network"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.targets_NK = state["targets"]
    run.work, run.seconds, run.epoch, run.steps, run.history, run.best_loss = state["rest"]
