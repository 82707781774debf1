"""The programs that run a checkpoint's network; which one, and on what, is part of a result.

Shape suffixes: N images, K classes, H rows, W columns.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint
from models.precision import Precision

if TYPE_CHECKING:
    from models.classifier import Classifier
    from models.distance import Distance

_FEATURES = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512", "avx_vnni", "amx", "asimd", "sve", "bf16", "i8mm")


class NetworkOutput(NamedTuple):
    """What the network says of a batch, all float32.

    Attributes
    ----------
    distance_N
        How far each image is from the training images; None where the checkpoint cannot tell.
    """

    logits_NK: NDArray[np.float32]
    cam_NKHW: NDArray[np.float32]
    distance_N: NDArray[np.float32] | None


class Runtime(Protocol):
    """Runs batches through one checkpoint's network."""

    def run(self, images_N3HW: NDArray[np.float32]) -> NetworkOutput:
        """Return logits, class activation maps and distances."""
        ...

    def fingerprint(self) -> dict[str, str | int]:
        """Return what must be equal for a result to be equal bit for bit, apart from the batch."""
        ...


class OnnxRuntime:
    """ONNX Runtime on the processor: starts in about a second and needs no torch.

    Whether a checkpoint offers 8-bit arithmetic is not asked here: `models.precision.why_not_int8` tells.
    """

    def __init__(self, checkpoint: Checkpoint, threads: int = 2, precision: Precision = "float32") -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # The graph is one chain of layers: nothing in it could run side by side.
        options.inter_op_num_threads = 1
        # Threads that spin between batches take a core from the listener beside them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = checkpoint.int8_graph if precision == "int8" else checkpoint.graph
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._outputs = ["logits", "cam", *(["distance"] if checkpoint.card.unlike_training else [])]
        self._precision = precision
        self._version = str(onnxruntime.__version__)
        self._threads = threads

    def run(self, images_N3HW: NDArray[np.float32]) -> NetworkOutput:
        """Return logits, class activation maps and distances."""
        logits_NK, cam_NKHW, *rest = self._session.run(self._outputs, {"images": images_N3HW})
        return NetworkOutput(logits_NK, cam_NKHW, rest[0] if rest else None)

    def fingerprint(self) -> dict[str, str | int]:
        """Return runtime, version, precision, processor features and threads."""
        return {
            "runtime": "onnxruntime",
            "version": self._version,
            "device": "cpu",
            "precision": self._precision,
            "processor": processor_features(),
            "threads": self._threads,
        }


class TorchRuntime:
    """PyTorch on the processor or on a CUDA device; torch is imported only here, when one is made."""

    def __init__(self, checkpoint: Checkpoint, device: str = "cpu", threads: int = 2) -> None:
        import torch

        if device == "cpu":
            torch.set_num_threads(threads)
        else:
            # TF32 would round the products to 10 bits, and benchmarking may choose another kernel on each start.
            torch.backends.cuda.matmul.allow_tf32 = False
            torch.backends.cudnn.allow_tf32 = False
            torch.backends.cudnn.benchmark = False
            torch.backends.cudnn.deterministic = True
        self._torch, self._device, self._threads = torch, device, threads
        self.network = _load_network(checkpoint).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._distance = _load_distance(checkpoint, device)

    def run(self, images_N3HW: NDArray[np.float32]) -> NetworkOutput:
        """Return logits, class activation maps and distances."""
        torch = self._torch
        with torch.inference_mode():
            images = torch.from_numpy(images_N3HW).to(device=self._device, memory_format=torch.channels_last)
            layers = self.network.backbone.layers(images)
            logits_NK, cam_NKHW = self.network.read(list(layers.values())[-1])
            distance_N = None if self._distance is None else self._distance(layers).cpu().numpy()
            return NetworkOutput(logits_NK.cpu().numpy(), np.ascontiguousarray(cam_NKHW.cpu().numpy()), distance_N)

    def fingerprint(self) -> dict[str, str | int]:
        """Return runtime, version, device, precision, processor features and threads."""
        on_cpu = self._device == "cpu"
        return {
            "runtime": "torch",
            "version": str(self._torch.__version__),
            "device": "cpu" if on_cpu else str(self._torch.cuda.get_device_name(self._device)),
            "precision": "float32",
            "processor": processor_features(),
            "threads": self._threads if on_cpu else 0,
        }


def processor_features() -> str:
    """Return the machine type and the instruction sets that decide which kernels a runtime takes."""
    flags: set[str] = set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            # x86 says "flags", ARM "Features".
            if line.lower().startswith(("flags", "features")):
                flags.update(line.partition(":")[2].split())
                break
    return " ".join([platform.machine(), *sorted(flag for flag in flags if flag.startswith(_FEATURES))])


def _load_network(checkpoint: Checkpoint) -> Classifier:
    """Build the network that the card describes and load its weights as float32."""
    from safetensors.torch import load_file

    from models.classifier import Classifier
    from models.distance import PREFIX

    card = checkpoint.card
    network = Classifier(
        card.architecture.backbone,  # type: ignore[arg-type]
        card.architecture.head,  # type: ignore[arg-type]
        len(card.classes),
        card.architecture.size,
    )
    state = network.state_dict()
    stored = load_file(checkpoint.weights)
    parameters = {name: tensor for name, tensor in stored.items() if not name.startswith(PREFIX)}
    loaded = {name: tensor.to(state[name].dtype) for name, tensor in parameters.items()}
    # The count of batches is of no use after training, and is not stored.
    network.load_state_dict(loaded | {name: state[name] for name in state if name.endswith("num_batches_tracked")})
    return network.eval()


def _load_distance(checkpoint: Checkpoint, device: str) -> Distance | None:
    """Return the distance from the training images, where the checkpoint has one."""
    from safetensors.torch import load_file

    from models.distance import PREFIX, Distance

    unlike = checkpoint.card.unlike_training
    if unlike is None:
        return None
    stored = load_file(checkpoint.weights)
    tensors = {name.removeprefix(PREFIX): tensor for name, tensor in stored.items() if name.startswith(PREFIX)}
    return Distance(tensors, unlike.stages, device)
