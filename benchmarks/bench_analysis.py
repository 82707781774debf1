"""What one image costs a worker, against the plain way: pydicom's own windowing, and torch as it comes."""

import os
from collections.abc import Callable
from functools import partial

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from benchmarks.interleaved import compare
from models.checkpoint import Checkpoint, default_path
from models.predictor import Predictor
from models.runtimes import OnnxRuntime, TorchRuntime
from service.demo.images import wrapped
from service.demo.phantom import phantom_values
from service.dicom.pixels import decode

_ROWS, _COLUMNS = 3000, 2500


def main() -> None:
    """Print what display values and the forward pass cost in each way."""
    values = phantom_values(1, _ROWS, _COLUMNS)
    dataset = wrapped(np.round(values * 255).astype(np.uint8), "Phantom^Bench", "BENCH")
    compare(
        f"display values of {_ROWS} x {_COLUMNS}", {"pydicom": lambda: _pydicom(dataset), "auscult": _ours(dataset)}
    )

    checkpoint, threads = Checkpoint.load(default_path()), len(os.sched_getaffinity(0))
    torch = Predictor(checkpoint, TorchRuntime(checkpoint, "cpu", threads))
    onnx = Predictor(checkpoint, OnnxRuntime(checkpoint, threads))
    for batch in (1, 8):
        images = [phantom_values(seed, 512, 448) for seed in range(batch)]
        ways: dict[str, Callable[[], object]] = {
            "torch eager": partial(torch.predict, images),
            "ONNX Runtime": partial(onnx.predict, images),
        }
        compare(f"prediction, batch of {batch}, {threads} threads", ways, rounds=7)


def _pydicom(dataset: Dataset) -> object:
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    return (values / values.max()).astype(np.float32)


def _ours(dataset: Dataset) -> Callable[[], object]:
    return lambda: decode(dataset).display()


if __name__ == "__main__":
    main()
