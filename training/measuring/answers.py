"""What a network says of many images, before calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.progress import track

from models.runtimes import NetworkOutput, Runtime
from models.transforms import to_batch
from training.fitting.dataset import LabelledImage, read_display_values

_BATCH = 8


def answer(runtime: Runtime, transform: str, images: Sequence[LabelledImage]) -> NetworkOutput:
    """Return raw logits, class activation maps and distances of all images, in order."""
    found = []
    for start in track(range(0, len(images), _BATCH), "measuring", transient=True):
        values = [read_display_values(image.path) for image in images[start : start + _BATCH]]
        found.append(runtime.run(to_batch(transform, values)))
    distances = [answers.distance_N for answers in found if answers.distance_N is not None]
    return NetworkOutput(
        np.concatenate([answers.logits_NK for answers in found]),
        np.concatenate([answers.cam_NKHW for answers in found]),
        np.concatenate(distances) if distances else None,
    )
