"""From display values to calibrated probabilities and a heat map: the one path that product and evaluation share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.class_activation import on_fixed_scale, pneumonia_maps
from models.decision import calibrate
from models.runtimes import Runtime
from models.transforms import to_batch


@dataclass(frozen=True)
class Output:
    """The network's answer for one image.

    Attributes
    ----------
    probabilities
        Calibrated, in [0, 1], summing to 1, keyed by the card's class names.
    cam
        Heat map for pneumonia, float32, H/32 x W/32 of the input, in [0, 1] on the card's fixed scale.
    input_digest
        SHA-256 (hex) of the float32 tensor (3 x 224 x 224, C order, little endian) that the network saw.
    batch_size
        Number of images in the forward pass; needed to compute the result again bit for bit.
    distance
        How far the image is from the training images, where 1 is usual; None where the checkpoint cannot tell.
    """

    probabilities: Mapping[str, float]
    cam: NDArray[np.float32]
    input_digest: str
    batch_size: int
    distance: float | None = None


class Predictor:
    """Runs images through one checkpoint on one runtime."""

    def __init__(self, checkpoint: Checkpoint, runtime: Runtime, batch_size: int = 4) -> None:
        self.checkpoint = checkpoint
        self._runtime = runtime
        self._batch_size = batch_size

    def predict(self, images: Sequence[NDArray[np.float32]]) -> list[Output]:
        """Return an output for each image, in order; display values are float32, rows x columns, in [0, 1].

        Raises
        ------
        ValueError
            When an image is not a finite two-dimensional array with at least one pixel.
        """
        outputs: list[Output] = []
        for start in range(0, len(images), self._batch_size):
            outputs.extend(self._run(images[start : start + self._batch_size]))
        return outputs

    def replay(self, image: NDArray[np.float32], batch_size: int) -> Output:
        """Compute one image again in a batch of the recorded size; its neighbours are copies of it."""
        # Libraries choose their kernels by the size of the batch, and kernels differ in the last bits.
        return next(self._run([image] * batch_size))

    def runtime_fingerprint(self) -> dict[str, str | int]:
        """Return runtime, version, device, precision, processor, threads: with the batch, what decides each bit."""
        return self._runtime.fingerprint()

    def _run(self, images: Sequence[NDArray[np.float32]]) -> Iterator[Output]:
        card = self.checkpoint.card
        batch_N3HW = to_batch(card.transform, images)
        logits_NK, cam_NKHW, distance_N = self._runtime.run(batch_N3HW)
        probabilities_NK = calibrate(logits_NK, card.calibration, card.pneumonia_classes)
        maps_NHW = on_fixed_scale(pneumonia_maps(probabilities_NK, cam_NKHW, card), card)
        for row, probabilities_K in enumerate(probabilities_NK):
            yield Output(
                probabilities=dict(zip(card.classes, map(float, probabilities_K), strict=True)),
                cam=maps_NHW[row],
                # In a stated byte order, so that every machine computes the same digest.
                input_digest=hashlib.sha256(batch_N3HW[row].astype("<f4").tobytes()).hexdigest(),
                batch_size=len(images),
                distance=None if distance_N is None else float(distance_N[row]),
            )
