"""Torch as the oracle of the CPU runtime, and independent programs as the oracles of torch."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.predictor import Predictor
from models.runtimes import TorchRuntime
from models.transforms import to_batch

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def torch_runtime(checkpoint: Checkpoint) -> TorchRuntime:
    return TorchRuntime(checkpoint)


def test_both_runtimes_give_the_same_probabilities_and_maps(
    checkpoint: Checkpoint, predictor: Predictor, torch_runtime: TorchRuntime, images: list[NDArray[np.float32]]
) -> None:
    for ours, theirs in zip(
        predictor.predict(images), Predictor(checkpoint, torch_runtime).predict(images), strict=True
    ):
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-4)
        assert np.allclose(ours.cam, theirs.cam, atol=1e-4)
        assert ours.input_digest == theirs.input_digest


def test_openvino_reads_the_same_files_and_agrees(
    checkpoint: Checkpoint, torch_runtime: TorchRuntime, images: list[NDArray[np.float32]]
) -> None:
    openvino = pytest.importorskip("openvino")
    batch = to_batch(checkpoint.card.transform, images)
    compiled = openvino.Core().compile_model(checkpoint.graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(batch)
    logits, cam, _ = torch_runtime.run(batch)
    assert np.allclose(found["logits"], logits, atol=1e-3)
    assert np.allclose(found["cam"], cam, atol=1e-2)


def test_the_mean_of_a_class_activation_map_is_the_logit_without_its_bias(
    torch_runtime: TorchRuntime, checkpoint: Checkpoint, images: list[NDArray[np.float32]]
) -> None:
    logits, cam, _ = torch_runtime.run(to_batch(checkpoint.card.transform, images))
    bias = torch_runtime.network.head.dense.bias.detach().numpy()
    assert np.allclose(cam.mean(axis=(2, 3)) + bias, logits, atol=1e-3)


def test_class_activation_maps_equal_captums_grad_cam_up_to_scale(
    torch_runtime: TorchRuntime, checkpoint: Checkpoint, images: list[NDArray[np.float32]]
) -> None:
    attribution = pytest.importorskip("captum.attr")
    batch = to_batch(checkpoint.card.transform, images)
    _, cam, _ = torch_runtime.run(batch)
    network = torch_runtime.network
    grad_cam = attribution.LayerGradCam(network, network.backbone.layer4)
    for index in range(len(checkpoint.card.classes)):
        expected = grad_cam.attribute(torch.from_numpy(batch), target=index).detach().numpy()[:, 0]
        # Grad-CAM averages the gradient of a mean over the cells: one constant factor, the number of cells.
        assert np.allclose(cam[:, index], expected * expected[0].size, rtol=1e-3, atol=1e-3)


def test_the_heat_map_is_grad_cam_of_the_log_odds_of_pneumonia(
    torch_runtime: TorchRuntime, checkpoint: Checkpoint, images: list[NDArray[np.float32]]
) -> None:
    from models.class_activation import pneumonia_maps
    from models.decision import calibrate

    batch = to_batch(checkpoint.card.transform, images)
    logits, cam, _ = torch_runtime.run(batch)
    calibration = checkpoint.card.calibration
    maps = pneumonia_maps(calibrate(logits, calibration, checkpoint.card.pneumonia_classes), cam, checkpoint.card)
    network = torch_runtime.network
    features = network.backbone(torch.from_numpy(batch)).detach().requires_grad_()
    scaled = network.head(features) / calibration.temperature + torch.tensor(calibration.bias)
    pneumonia = list(checkpoint.card.pneumonia_classes)
    others = [index for index in range(len(calibration.bias)) if index not in pneumonia]
    log_odds = scaled[:, pneumonia].logsumexp(dim=1) - scaled[:, others].logsumexp(dim=1)
    (gradient,) = torch.autograd.grad(log_odds.sum(), features)
    weight = gradient.mean(dim=(2, 3), keepdim=True)
    expected = (weight * features).sum(dim=1).detach().numpy() * 49 * calibration.temperature
    assert np.allclose(maps, expected, rtol=1e-3, atol=1e-2)
