"""The graph in 8 bits, of the same weights, beside the one in float32 and beside torch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from models.checkpoint import INT8_GRAPH, Checkpoint, UnusableCheckpoint
from models.runtimes import OnnxRuntime, TorchRuntime
from models.transforms import to_batch
from service.demo.phantom import phantom_values

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def checkpoint(graded: Path) -> Checkpoint:
    return Checkpoint.load(graded)


@pytest.fixture(scope="module")
def batch(checkpoint: Checkpoint) -> np.ndarray:
    return to_batch(checkpoint.card.transform, [phantom_values(seed) for seed in range(20, 24)])


def test_both_runtimes_give_the_same_distance(checkpoint: Checkpoint, batch: np.ndarray) -> None:
    ours, theirs = OnnxRuntime(checkpoint).run(batch).distance_N, TorchRuntime(checkpoint).run(batch).distance_N
    assert ours is not None
    assert theirs is not None
    assert np.allclose(ours, theirs, rtol=1e-3)


def test_eight_bits_give_nearly_the_same_logits_maps_and_distances(checkpoint: Checkpoint, batch: np.ndarray) -> None:
    exact, small = OnnxRuntime(checkpoint).run(batch), OnnxRuntime(checkpoint, precision="int8").run(batch)
    assert np.abs(exact.logits_NK - small.logits_NK).max() < 0.5
    assert np.corrcoef(exact.cam_NKHW.ravel(), small.cam_NKHW.ravel())[0, 1] > 0.97
    assert exact.distance_N is not None
    assert small.distance_N is not None
    assert np.abs(exact.distance_N - small.distance_N).max() < 0.3  # of a limit of 1.5


def test_every_convolution_of_the_trunk_but_the_first_runs_in_eight_bits_and_nothing_is_rounded_at_run_time(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that a saved optimised graph fits this processor alone
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "optimised.data")
    onnxruntime.InferenceSession(checkpoint.int8_graph, options, providers=["CPUExecutionProvider"])
    graph = onnx.load(str(tmp_path / "optimised.onnx"), load_external_data=False).graph
    found = Counter(node.op_type for node in graph.node)
    assert found["QLinearConv"] == 52
    assert found["QLinearAdd"] == 16
    assert found["Conv"] + found["FusedConv"] == 2  # the first, and the class activation maps
    assert found["QuantizeLinear"] == 1  # behind the first


def test_the_graph_holds_ranges_and_no_weights(checkpoint: Checkpoint) -> None:
    assert checkpoint.int8_graph.stat().st_size < 200_000
    tensors = onnx.load(str(checkpoint.int8_graph), load_external_data=False).graph.initializer
    largest = max(tensor.raw_data.__len__() for tensor in tensors if tensor.data_location != onnx.TensorProto.EXTERNAL)
    assert largest <= 2048  # the zero points of a convolution's channels


@pytest.mark.slow
def test_openvino_reads_it_and_agrees(checkpoint: Checkpoint, batch: np.ndarray) -> None:
    openvino = pytest.importorskip("openvino")
    compiled = openvino.Core().compile_model(checkpoint.int8_graph, "CPU")
    logits = OnnxRuntime(checkpoint, precision="int8").run(batch).logits_NK
    assert np.abs(compiled(batch)["logits"] - logits).max() < 0.5


def test_a_changed_graph_is_found_out(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for name in ("card.json", *checkpoint.files):
        (tmp_path / name).symlink_to(checkpoint.folder / name)
    content = checkpoint.int8_graph.read_bytes()
    (tmp_path / INT8_GRAPH).unlink()
    with pytest.raises(UnusableCheckpoint, match=INT8_GRAPH):
        Checkpoint.load(tmp_path)
    (tmp_path / INT8_GRAPH).write_bytes(content[:-1] + b"\0")
    with pytest.raises(UnusableCheckpoint, match=INT8_GRAPH):
        Checkpoint.load(tmp_path)
