from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from models.backbones import CHANNELS, Backbone  # noqa: E402
from models.classifier import Classifier  # noqa: E402
from models.heads import HEAD_NAMES, Head  # noqa: E402


@pytest.mark.parametrize("name", HEAD_NAMES)
def test_every_head_of_table_ii_gives_logits(name: str) -> None:
    head = Head(name, channels=6, classes=2, grid=5).eval()  # type: ignore[arg-type]
    assert head(torch.rand(4, 6, 5, 5)).shape == (4, 2)
    names = [type(module).__name__ for module in (head.first, head.dense)]
    assert names == ["Dropout" if name.startswith("dropout") else "BatchNorm2d", "Linear"]
    assert head.dense.in_features == (6 if name.endswith("gap") else 6 * 25)


def test_an_unknown_head_is_named_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="batchnorm-flatten"):
        Head("attention", channels=6, classes=2, grid=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", HEAD_NAMES)
def test_the_maps_of_every_head_equal_captums_grad_cam_up_to_scale(head: str) -> None:
    attribution = pytest.importorskip("captum.attr")
    torch.manual_seed(0)
    network = Classifier("resnet50", head, classes=2, size=64).eval()  # type: ignore[arg-type]
    if head.startswith("batchnorm"):
        # As after training: channels that count differently.
        state = network.head.first.state_dict()
        state["weight"].uniform_(0.5, 2)
        state["running_var"].uniform_(0.5, 2)
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        _, cam = network.logits_and_cam(images)
    grad_cam = attribution.LayerGradCam(network, network.head.first)
    for target in range(2):
        expected = grad_cam.attribute(images, target=target).detach()[:, 0]
        # Grad-CAM averages the gradient over the cells: one constant factor, the number of cells.
        assert torch.allclose(cam[:, target], expected * expected[0].numel(), rtol=1e-3, atol=1e-4)


def test_the_first_blocks_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    state = {**Backbone("resnet50").state_dict(), "layer3.6.bn1.weight": torch.ones(256), "fc.bias": torch.ones(1000)}
    save_file(state, tmp_path / "deeper.safetensors")
    with pytest.raises(ValueError, match=r"it has no layer3\.6\.bn1\.weight"):
        Backbone("resnet50").load_imagenet(tmp_path / "deeper.safetensors")


def test_logits_and_maps_come_from_one_forward_pass() -> None:
    torch.manual_seed(0)
    network = Classifier("resnet50", "dropout-gap", classes=3, size=64).eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        logits, cam = network.logits_and_cam(images)
        assert torch.equal(logits, network(images))
    assert cam.shape == (2, 3, 2, 2)


def test_every_backbone_has_the_channels_it_promises() -> None:
    for name in ("resnet50", "vgg16"):
        with torch.inference_mode():
            assert Backbone(name).eval()(torch.zeros(1, 3, 64, 64)).shape == (1, CHANNELS[name], 2, 2)


def test_starting_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    with path.open("wb") as file:
        np.savez(file, allow_pickle=False, **{"bn1.weight": np.ones(64, dtype=np.float32)})
    with pytest.raises(ValueError, match=r"conv1\.weight"):
        Backbone("resnet50").load_imagenet(path)


def test_an_eight_bit_archive_loads_as_it_was_published(shared: Path) -> None:
    archive = shared / "weights" / "resnet50_imagenet_q8.npz"
    backbone = Backbone("resnet50")
    backbone.load_imagenet(archive)
    stored = np.load(archive)
    expected = (stored["layer1.0.conv2.q"].astype(float) + stored["layer1.0.conv2.zero"]) * stored[
        "layer1.0.conv2.step"
    ]
    found = backbone.state_dict()["layer1.0.conv2.weight"].numpy()
    assert np.allclose(found, expected, atol=1e-6)
    expected = (stored["conv1.q"].astype(float) + stored["conv1.zero"]) * stored["conv1.step"]
    expected *= stored["conv1.inscale"][None, :, None, None]
    assert np.allclose(backbone.state_dict()["conv1.weight"].numpy(), expected, atol=1e-6)


def test_a_run_can_start_from_all_weights_of_another_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first, second = (Classifier("resnet50", "dropout-gap", classes=3, size=64) for _ in range(2))
    state = {key: value for key, value in first.state_dict().items() if not key.endswith("num_batches_tracked")}
    save_file(state, tmp_path / "weights.safetensors")
    second.load(tmp_path / "weights.safetensors")
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in state.items())
    with pytest.raises(ValueError, match="another architecture"):
        Classifier("resnet50", "dropout-gap", classes=2, size=64).load(tmp_path / "weights.safetensors")
