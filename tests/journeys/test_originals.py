"""Real radiographs through the whole path say what the evaluation says of the same pictures."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset

from models.checkpoint import Checkpoint, default_path
from models.predictor import Predictor
from models.runtimes import OnnxRuntime
from service.demo.forwarding import forward
from service.demo.images import folder_images
from service.ledger.records import InstanceRecord, PredictionRecord
from service.vocabulary.states import State
from tests.journeys.conftest import SharedGateway
from training.fitting.dataset import find_images
from training.measuring.evaluation import predict_all


def originals(folder: Path, every: int) -> Iterator[tuple[Path, Dataset]]:
    """Yield each n-th picture and the CR instance that it is wrapped in."""
    paths = sorted(folder.rglob("*.jpeg"))
    for number, (path, dataset) in enumerate(zip(paths, folder_images(folder), strict=True)):
        if number % every == 0:
            yield path, dataset


def evaluated(folder: Path, paths: set[Path]) -> dict[Path, dict[str, float]]:
    """Return the probabilities that `auscult evaluate` computes from the pictures themselves."""
    checkpoint = Checkpoint.load(default_path())
    classes = checkpoint.card.classes
    images = [image for image in find_images(folder, classes) if image.path in paths]
    rows = predict_all(Predictor(checkpoint, OnnxRuntime(checkpoint, 2)), images)
    return {
        image.path: dict(zip(classes, map(float, row), strict=True)) for image, row in zip(images, rows, strict=True)
    }


@pytest.mark.parametrize(
    "every",
    [pytest.param(10, id="twelve"), pytest.param(1, id="all", marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
def test_the_originals_are_all_reported_with_the_evaluations_probabilities(
    shared_gateway: SharedGateway, shared: Path, every: int
) -> None:
    gateway, folder = shared_gateway.gateway, shared / "data" / "fullres"
    sent = list(originals(folder, every))
    assert len(sent) == 120 // every
    forwarded = list(forward([dataset for _, dataset in sent], "127.0.0.1", gateway.port, "AUSCULT", "MODALITY"))
    assert [item.status for item in forwarded] == [0x0000] * len(sent)
    gateway.wait_until_settled(30 + 3 * len(sent))
    by_uid = {str(dataset.SOPInstanceUID): path for path, dataset in sent}
    instances = {row.id: row for row in gateway.rows(InstanceRecord) if row.sop_instance_uid in by_uid}
    assert [row.state for row in instances.values()] == [State.DELIVERED] * len(sent)
    # They come without an age: that is a doubt, and no reason against the analysis.
    flags = [row.flag_codes or [] for row in instances.values()]
    assert all(found[0] == "age_unknown" for found in flags)
    # Of a few the network's evidence lies beside the lungs, which the report says.
    off_lungs = [found[1:] for found in flags if found[1:]]
    assert off_lungs == [["activation_off_lungs"]] * len(off_lungs)
    assert len(off_lungs) <= 0.04 * len(sent)
    assert [len(shared_gateway.pacs.of(dataset)) for _, dataset in sent] == [3] * len(sent)
    expected = evaluated(folder, set(by_uid.values()))
    predictions = [row for row in gateway.rows(PredictionRecord) if row.instance_id in instances]
    assert len(predictions) == len(sent)
    for row in predictions:
        path = by_uid[instances[row.instance_id].sop_instance_uid]
        assert row.probabilities == pytest.approx(expected[path], abs=1e-6)
