"""What one image costs a worker, against the plain way: pydicom's own windowing, and torch as it comes.

An argument names another checkpoint's folder than the shipped one.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from benchmarks.interleaved import compare
from models.checkpoint import Checkpoint, default_path
from models.predictor import Predictor
from models.runtimes import NetworkOutput, OnnxRuntime, Runtime, TorchRuntime
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

    checkpoint = Checkpoint.load(Path(sys.argv[1]) if sys.argv[1:] else default_path())
    threads = len(os.sched_getaffinity(0))
    predictors = {name: Predictor(checkpoint, runtime) for name, runtime in _runtimes(checkpoint, threads).items()}
    for batch in (1, 8):
        images = [phantom_values(seed, 512, 448) for seed in range(batch)]
        ways: dict[str, Callable[[], object]] = {
            name: partial(predictor.predict, images) for name, predictor in predictors.items()
        }
        compare(f"prediction, batch of {batch}, {threads} threads", ways, rounds=7)


def _runtimes(checkpoint: Checkpoint, threads: int) -> dict[str, Runtime]:
    """Return what can run the checkpoint here; the first is what the others are compared with."""
    found: dict[str, Runtime] = {
        "ONNX Runtime": OnnxRuntime(checkpoint, threads),
        "torch eager": TorchRuntime(checkpoint, "cpu", threads),
    }
    with_int8 = checkpoint.card.int8 is not None
    if with_int8:
        found["ONNX Runtime, int8"] = OnnxRuntime(checkpoint, threads, "int8")
    if find_spec("openvino") is not None:
        found["OpenVINO"] = _OpenVino(checkpoint.graph, threads)
        if with_int8:
            found["OpenVINO, int8"] = _OpenVino(checkpoint.int8_graph, threads)
    return found


class _OpenVino:
    """OpenVINO, which the product does not use."""

    def __init__(self, graph: Path, threads: int) -> None:
        import openvino  # type: ignore[import-untyped]

        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        self._compiled = openvino.Core().compile_model(graph, "CPU", options)

    def run(self, images_N3HW: NDArray[np.float32]) -> NetworkOutput:
        found = self._compiled(images_N3HW)
        return NetworkOutput(found["logits"], found["cam"], None)

    def fingerprint(self) -> dict[str, str | int]:
        return {"runtime": "openvino"}


def _pydicom(dataset: Dataset) -> object:
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset)
    return (values / values.max()).astype(np.float32)


def _ours(dataset: Dataset) -> Callable[[], object]:
    return lambda: decode(dataset).display()


if __name__ == "__main__":
    main()
