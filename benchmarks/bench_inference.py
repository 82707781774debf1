"""An inference worker with all that it does, against ONNX Runtime alone on the same graph, in turns.

The worker claims, reads, decodes, compares, judges and saves; the runtime gets the same number of tensors in the same
batches. What is printed is also written into docs/performance.md.

Usage: python -m benchmarks.bench_inference [--rounds 5] [--images 32] [--print]
"""

import argparse
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

import click
import numpy as np
from pydicom.uid import generate_uid

from benchmarks import document, processor
from models.checkpoint import Checkpoint, default_path
from models.precision import Precision, why_not_int8
from models.runtimes import OnnxRuntime, processor_features
from service.demo.images import PICTURES, files_below, grey_values, wrapped
from service.ledger import Ledger, database
from service.objects import LocalStore
from service.settings import Settings
from tests import ledgers
from tests.fakes import CountingWaker, TurnedClock
from tests.worker.conftest import Gateway
from worker.inference import Inference
from worker.networks import load_networks

_BOTH = ("worker", "runtime")
_BATCH = Settings().analysis.batch_size


class Worker:
    """An inference worker over a ledger and a store of its own."""

    def __init__(self, folder: Path, precision: Precision) -> None:
        folder.mkdir()
        settings = Settings(data_dir=folder, analysis={"precision": precision}, scope={"unlike_training": "analyse"})
        ledgers.prepare(settings.database_url)
        clock = TurnedClock()
        ledger = Ledger(database.connect(settings.database_url), settings.worklist.reading_order, clock)
        self._gateway = Gateway(settings, ledger, LocalStore(settings.objects_dir), clock)
        self.networks = load_networks(settings.analysis, settings.scope)
        around = (settings, ledger, self._gateway.store, self.networks, CountingWaker(), "bench", threading.Event())
        self._inference = Inference(*around, clock)

    def receive(self, pictures: Sequence[Path], images: int) -> None:
        """Take fresh images in."""
        for number in range(images):
            image = wrapped(grey_values(pictures[number % len(pictures)]), "Bench^1", "BENCH", patient_age="003Y")
            image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = generate_uid(prefix="2.25.")
            image.StudyInstanceUID = generate_uid(prefix="2.25.")
            self._gateway.receive(image)

    def analyse(self) -> None:
        """Analyse what was received."""
        self._inference.run_until_idle()

    def build(self) -> None:
        """Build the reports of what was analysed."""
        self._gateway.build(*(network.checkpoint for network in self.networks.members))

    def close(self) -> None:
        """End the worker."""
        self._inference.close()
        self._gateway.trail.close()
        self._gateway.ledger.engine.dispose()


class _Measured:
    """A worker and a bare runtime of one precision.

    Attributes
    ----------
    taken
        By way, seconds that passed and processor seconds of each turn.
    """

    def __init__(self, folder: Path, precision: Precision, images: int) -> None:
        self.worker = Worker(folder, precision)
        self._runtime = OnnxRuntime(Checkpoint.load(default_path()), len(os.sched_getaffinity(0)), precision)
        self._batch = np.random.default_rng(1).random((_BATCH, 3, 224, 224), dtype=np.float32)
        self._images = images
        self.taken: dict[str, list[tuple[float, float]]] = {way: [] for way in _BOTH}

    def turn(self) -> None:
        """Analyse fresh images, and run as many tensors; images are received outside what is measured."""
        self.worker.receive(radiographs(), self._images)
        self.taken["worker"].append(_seconds(self.worker.analyse))
        self.taken["runtime"].append(_seconds(self._run))

    def _run(self) -> None:
        for first in range(0, self._images, len(self._batch)):
            self._runtime.run(self._batch[: self._images - first])


def radiographs() -> list[Path]:
    """Return the pictures of the demo."""
    folder = Path(str(files("service.demo") / "radiographs"))
    return [path for path in files_below(folder) if path.suffix in PICTURES]


def _seconds(way: Callable[[], None]) -> tuple[float, float]:
    began, used = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - began, time.process_time() - used


def _rows(measured: dict[Precision, _Measured], images: int) -> Iterator[str]:
    yield "| precision | worker, images/s | runtime alone, images/s | ratio | processor ms an image |"
    yield "| --- | --- | --- | --- | --- |"
    for precision, found in measured.items():
        turns = {way: found.taken[way][1:] for way in _BOTH}  # the first warms everything up
        rates = [f"{images / statistics.median(passed for passed, _ in turns[way]):.1f}" for way in _BOTH]
        used = [f"{1000 * statistics.median(spent for _, spent in turns[way]) / images:.0f}" for way in _BOTH]
        ratio = statistics.median(b / a for (a, _), (b, _) in zip(*turns.values(), strict=True))
        yield f"| {precision} | {rates[0]} | {rates[1]} | {ratio:.2f} | {used[0]}, of which the runtime {used[1]} |"


def main() -> None:
    """Print the table, and write it down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--print", action="store_true", help="write nothing into the document")
    chosen = parser.parse_args()
    card = Checkpoint.load(default_path()).card
    precisions: list[Precision] = ["float32"]
    if why_not_int8(card.name, card.int8, processor_features()) is None:
        precisions.append("int8")
    with tempfile.TemporaryDirectory(prefix="auscult-inference-") as root:
        measured = {name: _Measured(Path(root) / name, name, chosen.images) for name in precisions}
        for _ in range(chosen.rounds + 1):
            for found in measured.values():
                found.turn()
        for found in measured.values():
            found.worker.close()
    markdown = "\n".join(
        [
            *_rows(measured, chosen.images),
            "",
            f"{chosen.rounds} turns of {chosen.images} images, medians. {processor.load()}",
        ]
    )
    click.echo(markdown)
    if not chosen.print:
        document.write("inference", markdown)


if __name__ == "__main__":
    main()
