from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

torch = pytest.importorskip("torch")

from models.backbones import Backbone, read_state  # noqa: E402
from training.papers.starting import grow, read_keras_vgg16  # noqa: E402
from training.papers.weights import find_weights  # noqa: E402

_CHANNELS = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512, 512, 512), (512, 512, 512, 512))


@pytest.fixture(scope="module")
def resnet50(shared: Path) -> Path:
    return shared / "weights" / "resnet50_imagenet_q8.npz"


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a VGG16 as tf2onnx writes Keras' one, with small random weights and a dense layer behind."""
    random, tensors = np.random.default_rng(1), []
    for block, widths in enumerate(_CHANNELS, start=1):
        for layer in range(1, len(widths)):
            name = f"functional_1/block{block}_conv{layer}_1"
            shape = (widths[layer], widths[layer - 1], 3, 3)
            kernel = random.normal(0, 0.02, shape).astype(np.float32)
            tensors.append(numpy_helper.from_array(kernel, f"{name}/convolution/ReadVariableOp:0"))
            bias = random.normal(0, 0.1, widths[layer]).astype(np.float32)
            tensors.append(numpy_helper.from_array(bias, f"{name}/Squeeze:0"))
    tensors.append(numpy_helper.from_array(np.zeros((8, 4), np.float32), "functional_1/dense_1/Cast/ReadVariableOp:0"))
    path = tmp_path_factory.mktemp("keras") / "vgg16.onnx"
    onnx.save(helper.make_model(helper.make_graph([], "vgg16", [], [], tensors)), path)
    return path


@pytest.mark.slow
def test_a_grown_network_computes_what_resnet50_computes(resnet50: Path) -> None:
    with torch.device("meta"):
        small, deep = Backbone("resnet50").eval(), Backbone("resnet101").eval()
    state = {key: values for key, values in read_state(resnet50).items() if not key.startswith("fc.")}
    small.load_state_dict(state, assign=True)
    deep.load_state_dict(grow(state, "resnet101"), assign=True)
    images = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (1, 3, 64, 64)).astype(np.float32))
    with torch.inference_mode():
        assert torch.allclose(small(images), deep(images), atol=1e-5)


def test_keras_kernels_answer_to_torchvisions_input_as_to_their_own(keras: Path) -> None:
    state = read_keras_vgg16(keras)
    kernels = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(keras).graph.initializer}
    colours = np.random.default_rng(2).random((1, 3, 9, 9)).astype(np.float32)  # red, green, blue from 0 to 1
    theirs = colours[:, ::-1] * 255 - np.array([103.939, 116.779, 123.68], dtype=np.float32)[None, :, None, None]
    mean, deviation = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    ours = (colours - np.array(mean)[None, :, None, None]) / np.array(deviation)[None, :, None, None]
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(theirs.astype(np.float32)),
        torch.from_numpy(kernels["functional_1/block1_conv1_1/convolution/ReadVariableOp:0"].copy()),
        torch.from_numpy(kernels["functional_1/block1_conv1_1/Squeeze:0"].copy()),
    )
    found = torch.nn.functional.conv2d(
        torch.from_numpy(ours.astype(np.float32)), state["features.0.weight"], state["features.0.bias"]
    )
    assert torch.allclose(found, expected, atol=1e-3)


def test_a_vgg16_out_of_another_file_is_found_and_labelled(keras: Path, tmp_path: Path) -> None:
    found = find_weights("vgg16", [keras], download=False, folder=tmp_path)
    assert found is not None
    assert "out of vgg16.onnx" in found.note
    state = read_state(found.path)
    assert (len(state), state["features.28.weight"].shape) == (26, (512, 512, 3, 3))


def test_a_file_that_is_no_vgg16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"other\.onnx is not a readable ONNX"):
        read_keras_vgg16(path)
    onnx.save(helper.make_model(helper.make_graph([], "empty", [], [])), path)
    with pytest.raises(ValueError, match="0 of the 13"):
        read_keras_vgg16(path)
