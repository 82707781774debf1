"""Fine-tuning: one resumable run of a recipe.

Progress is measured in work (epochs times image area), or in elapsed time where a budget makes that the larger:
a run that has a budget always completes its schedule, with fewer images. On a GPU the whole set lies in its memory and
is changed there.
Shape suffixes: N images, H rows, W columns, K classes.
"""

from __future__ import annotations

import copy
import functools
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
from torch.optim.swa_utils import AveragedModel

from models.classifier import Classifier
from training.fitting.augmentation import augment, exchange_style
from training.fitting.dataset import ImageSet
from training.fitting.evidence import evidence_outside
from training.fitting.inputs import autocast, image_weights, predict_logits, to_input, validation_figures, with_fields
from training.fitting.learning import optimiser_of, rate_factor
from training.fitting.recipes import Recipe
from training.fitting.sampling import Donors, oversample

SAVED_EVERY = 50
"""Steps after which a run that is cut off loses nothing; it goes on with a new pass over the images."""


@dataclass(frozen=True)
class _Epoch:
    """What one pass over the training images needs besides the run.

    The second channel of the pixels, where there is one, is the lung field.
    """

    pixels_NCHW: torch.Tensor
    rows: npt.NDArray[np.int64]
    weight_N: torch.Tensor
    donors: Donors
    size: int
    progress: Callable[[float], float]


@dataclass
class Run:
    """State of a run between epochs; what is written to disk to resume from."""

    network: Classifier
    average: AveragedModel
    optimiser: torch.optim.Optimizer
    work: float = 0.0
    seconds: float = 0.0
    epoch: int = 0
    steps: int = 0
    folder: Path = Path()
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
    device: str = "cpu",
) -> list[dict[str, float]]:
    """Fine-tune from ImageNet or checkpoint weights, or resume from ``folder/last.pt``; return the history.

    ``folder/best.pt`` holds the averaged weights of the epoch with the lowest validation loss, or what the recipe's
    ``start_share`` says, ``folder/history.json`` a line for each epoch.

    Raises
    ------
    ValueError
        When a class has no image, there are fewer images than a batch holds, or the weights do not fit.
    """
    _check(images, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    run = _start(recipe, init, device)
    run.folder = folder
    pixels_NCHW = with_fields(images).to(device)
    run.targets_NK = functional.one_hot(torch.from_numpy(images.targets_N), len(recipe.classes)).float().to(device)
    rows = oversample(images.targets_N, recipe.seed) if recipe.oversample else np.arange(len(images))
    weight_N = image_weights(images, recipe).to(device)
    donors = Donors(images, recipe.donors_stamped, device)
    start = copy.deepcopy(run.network.state_dict())
    last = folder / "last.pt"
    if last.exists():
        _restore(run, last)
    whole_batches = len(rows) // recipe.batch_size * recipe.batch_size
    total_work = sum(stage.cost for stage in recipe.stages) * whole_batches
    while (before := _progress(run, total_work, budget_seconds)) < 1 - 1e-6:
        size, began = recipe.size_at(before), time.monotonic()
        # What is left of the budget at each step decides when the epoch ends.
        progress = functools.partial(_progress, run, total_work, budget_seconds)
        loss, accuracy, outside = _train_epoch(run, recipe, _Epoch(pixels_NCHW, rows, weight_N, donors, size, progress))
        run.seconds += time.monotonic() - began
        run.epoch += 1
        logits_NK = predict_logits(run.average.module, validation.pixels_NHW, recipe.transform)
        row = {"epoch": run.epoch, "size": size, "seconds": round(run.seconds), "loss": loss, "accuracy": accuracy}
        row |= {"outside": outside} if recipe.outside_penalty else {}
        row |= validation_figures(logits_NK, validation.targets_N, recipe.pneumonia)
        run.history.append(row)
        if row["val_loss"] < run.best_loss:
            run.best_loss = row["val_loss"]
            torch.save(run.average.module.state_dict(), folder / "best.pt")
        _save(run, last)
        (folder / "history.json").write_text(json.dumps({"recipe": asdict(recipe), "epochs": run.history}, indent=1))
        report(row)
    if recipe.start_share is not None:
        torch.save(_mean(run.average.module.state_dict(), start, recipe.start_share), folder / "best.pt")
    return run.history


def _mean(end: dict[str, torch.Tensor], start: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    """Return the weights at the end of a run with a share of those that it began with."""
    return {
        key: value.lerp(start[key], share) if value.dtype.is_floating_point else value for key, value in end.items()
    }


def load_last(recipe: Recipe, folder: Path) -> Classifier:
    """Return the averaged weights of a run's last epoch, on the processor."""
    network = Classifier(recipe.backbone, recipe.head, len(recipe.classes), recipe.stages[-1].size, recipe.dropout)
    state = torch.load(folder / "last.pt", map_location="cpu", weights_only=True)["average"]
    network.load_state_dict({key.removeprefix("module."): state[key] for key in state if key != "n_averaged"})
    return network.eval()


def _check(images: ImageSet, recipe: Recipe) -> None:
    absent = set(range(len(recipe.classes))) - set(images.targets_N.tolist())
    if absent:
        raise ValueError(f"There is no training image of the class {recipe.classes[min(absent)]!r}.")
    if len(images) < recipe.batch_size:
        raise ValueError(f"{len(images)} training images are fewer than one batch of {recipe.batch_size}.")


def _start(recipe: Recipe, init: Path, device: str) -> Run:
    torch.manual_seed(recipe.seed)
    network = Classifier(recipe.backbone, recipe.head, len(recipe.classes), recipe.stages[-1].size, recipe.dropout)
    network.load(init)
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = optimiser_of(network, recipe)
    average = AveragedModel(network, avg_fn=functools.partial(_follow, recipe.average_decay), use_buffers=True)
    return Run(network, average, optimiser)


def _follow(decay: float, averaged: torch.Tensor, current: torch.Tensor, steps: torch.Tensor | int) -> torch.Tensor:
    """Move an averaged weight or batch statistic towards the network's; faster at the beginning."""
    if not averaged.dtype.is_floating_point:
        return current
    warmed = min(decay, (int(steps) + 1) / (int(steps) + 11))
    return averaged.lerp(current, 1 - warmed)


def _progress(run: Run, total_work: float, budget_seconds: float | None, running: float = 0.0) -> float:
    timed = (run.seconds + running) / budget_seconds if budget_seconds else 0.0
    return min(1.0, max(run.work / total_work, timed))


def _train_epoch(run: Run, recipe: Recipe, epoch: _Epoch) -> tuple[float, float, float]:
    """Pass over the training images once, or until the budget is spent; return what :func:`_step` does, on average."""
    generator = torch.Generator(epoch.pixels_NCHW.device).manual_seed(recipe.seed * 1000 + run.steps)
    torch.manual_seed(recipe.seed * 1000 + run.steps)
    run.network.train()
    began, losses = time.monotonic(), []
    batches = list(_batches(epoch.rows, recipe.batch_size, generator))
    for chosen in track(batches, f"epoch {run.epoch + 1} at {epoch.size}", transient=True):
        progress = epoch.progress(time.monotonic() - began)
        if progress >= 1:
            break
        for group in run.optimiser.param_groups:
            group["lr"] = group["rate"] * rate_factor(recipe, progress)
        inputs, fields = _inputs(epoch, recipe, chosen, generator)
        losses.append(_step(run, recipe, inputs, fields, chosen, epoch.weight_N))
        run.work += len(chosen) * float(epoch.size) ** 2
        if len(losses) % SAVED_EVERY == 0:
            running, run.seconds = run.seconds, run.seconds + time.monotonic() - began
            _save(run, run.folder / "last.pt")
            run.seconds = running
    means = np.mean(losses, axis=0) if losses else (math.nan,) * 3
    loss, accuracy, outside = map(float, means)
    return loss, accuracy, outside


def _inputs(
    epoch: _Epoch, recipe: Recipe, chosen: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what the network sees of a batch, and the lung fields over it (N x 1 x H x W, or N x 0 x H x W)."""
    batch = epoch.pixels_NCHW[chosen].float() / 255
    if recipe.augmentation.style_probability or recipe.augmentation.stamp_probability:
        donors = epoch.pixels_NCHW[epoch.donors.draw(chosen, generator)][:, :1].float() / 255
        batch[:, :1] = exchange_style(batch[:, :1], donors, recipe.augmentation, generator)
    images, fields = augment(batch, epoch.size, recipe.augmentation, generator)
    return to_input(images, recipe.transform), fields


def _step(
    run: Run,
    recipe: Recipe,
    inputs: torch.Tensor,
    fields: torch.Tensor,
    chosen: torch.Tensor,
    weight_N: torch.Tensor,
) -> tuple[float, float, float]:
    """Learn from one batch; return its loss, its accuracy before the step and the evidence outside the lungs."""
    with autocast(inputs.device.type):
        features = run.network.backbone(inputs)
        logits = run.network.head(features).float()
    right = (logits.argmax(dim=1) == run.targets_NK[chosen].argmax(dim=1)).float().mean()
    if recipe.target_momentum < 1:
        run.targets_NK[chosen] = torch.lerp(
            logits.detach().softmax(dim=1), run.targets_NK[chosen], recipe.target_momentum
        )
    loss_N = functional.cross_entropy(
        logits, run.targets_NK[chosen], label_smoothing=recipe.label_smoothing, reduction="none"
    )
    weights = weight_N[chosen]
    loss = (loss_N * weights).sum() / weights.sum()
    outside = torch.zeros(())
    if recipe.outside_penalty:
        outside = evidence_outside(run.network.head, features, logits, fields, recipe.pneumonia)
        loss = loss + recipe.outside_penalty * outside
    run.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.network.parameters(), 2.0)
    run.optimiser.step()
    run.average.update_parameters(run.network)
    run.steps += 1
    return float(loss.detach()), float(right), float(outside.detach())


def _batches(rows: npt.NDArray[np.int64], size: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield whole batches of rows in random order, on the generator's device."""
    order = torch.randperm(len(rows), generator=generator, device=generator.device)
    shuffled = torch.from_numpy(rows).to(generator.device)[order]
    for start in range(0, len(rows) - size + 1, size):
        yield shuffled[start : start + size]


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
    state = torch.load(path, map_location=run.targets_NK.device, weights_only=True)
    run.network.load_state_dict(state["network"])
    run.average.load_state_dict(state["average"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.targets_NK = state["targets"]
    run.work, run.seconds, run.epoch, run.steps, run.history, run.best_loss = state["rest"]
