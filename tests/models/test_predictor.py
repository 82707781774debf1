import hashlib
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.predictor import Predictor
from models.runtimes import OnnxRuntime, processor_features
from models.transforms import to_batch


def test_every_image_gets_probabilities_and_a_map_on_a_fixed_scale(
    predictor: Predictor, images: list[NDArray[np.float32]]
) -> None:
    outputs = predictor.predict(images)
    assert len(outputs) == len(images)
    for output in outputs:
        assert tuple(output.probabilities) == predictor.checkpoint.card.classes
        assert sum(output.probabilities.values()) == pytest.approx(1)
        assert output.cam.shape == (7, 7)
        assert output.cam.dtype == np.float32
        assert output.cam.min() >= 0
        assert output.cam.max() <= 1
        assert output.batch_size == len(images)


def test_the_input_digest_is_of_the_tensor_that_the_network_saw(
    predictor: Predictor, images: list[NDArray[np.float32]]
) -> None:
    batch = to_batch(predictor.checkpoint.card.transform, images)
    expected = [hashlib.sha256(tensor.tobytes()).hexdigest() for tensor in batch]
    assert [output.input_digest for output in predictor.predict(images)] == expected


def test_a_replay_in_the_recorded_batch_size_is_equal_bit_for_bit(
    predictor: Predictor, images: list[NDArray[np.float32]]
) -> None:
    for image, output in zip(images, predictor.predict(images), strict=True):
        again = predictor.replay(image, output.batch_size)
        assert again.probabilities == output.probabilities
        assert again.input_digest == output.input_digest
        assert np.array_equal(again.cam, output.cam)


def test_neighbours_in_the_batch_do_not_change_a_result(
    predictor: Predictor, images: list[NDArray[np.float32]]
) -> None:
    together = predictor.predict(images)
    for image, output in zip(images, together, strict=True):
        alone = predictor.predict([image])[0]
        assert alone.probabilities == pytest.approx(output.probabilities, abs=1e-4)


def test_more_images_than_a_batch_keep_their_order(checkpoint: Checkpoint, images: list[NDArray[np.float32]]) -> None:
    small = Predictor(checkpoint, OnnxRuntime(checkpoint), batch_size=2)
    outputs = small.predict(images)
    assert [output.batch_size for output in outputs] == [2, 2, 1]
    digests = [small.predict([image])[0].input_digest for image in images]
    assert [output.input_digest for output in outputs] == digests


def test_no_image_gives_no_output(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


def test_the_fingerprint_names_what_decides_each_bit(predictor: Predictor) -> None:
    found = predictor.runtime_fingerprint()
    assert found["runtime"] == "onnxruntime"
    assert found["threads"] == 2
    assert found["processor"] == processor_features()
    assert set(found) == {"runtime", "version", "device", "precision", "processor", "threads"}


def test_the_cpu_runtime_never_loads_torch() -> None:
    program = """
import sys
import numpy as np
from models.checkpoint import Checkpoint, default_path
from models.decision import decide
from models.predictor import Predictor
from models.runtimes import OnnxRuntime
checkpoint = Checkpoint.load(default_path(), verify=False)
output = Predictor(checkpoint, OnnxRuntime(checkpoint)).predict([np.eye(300, dtype=np.float32)])[0]
decide(output.probabilities, checkpoint.card, "balanced")
print(sorted({"torch", "torchvision", "service", "pydicom", "sqlalchemy"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"
