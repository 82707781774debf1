"""The programs that run a checkpoint's network; which one, and on what, is part of a result.

Shape suffixes: N images, K classes, H rows, W columns.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from models.checkpoint import Checkpoint

if TYPE_CHECKING:
    from models.classifier import Classifier

_FEATURES = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512", "avx_vnni", "amx", "asimd", "sve", "bf16", "i8mm")


class Runtime(Protocol):
    """Runs batches through one checkpoint's network."""

    def run(self, images_N3HW: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits (N x K) and class activation maps (N x K x H x W), both float32."""
        ...

    def fingerprint(self) -> dict[str, str | int]:
        """Return what must be equal for a result to be equal bit for bit, apart from the batch."""
        ...


class OnnxRuntime:
    """ONNX Runtime on the processor: starts in under a second and needs no torch."""

    def __init__(self, checkpoint: Checkpoint, threads: int = 2) -> None:
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Threads that spin between batches take a core from the listener beside them.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(checkpoint.graph, options, providers=["CPUExecutionProvider"])
        self._version = str(onnxruntime.__version__)
        self._threads = threads

    def run(self, images_N3HW: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits (N x K) and class activation maps (N x K x H x W), both float32."""
        logits_NK, cam_NKHW = self._session.run(["logits", "cam"], {"images": images_N3HW})
        return np.asarray(logits_NK, dtype=np.float32), np.asarray(cam_NKHW, dtype=np.float32)

    def fingerprint(self) -> dict[str, str | int]:
        """Return runtime, version, processor features and threads."""
        return {
            "runtime": "onnxruntime",
            "version": self._version,
            "device": "cpu",
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

    def run(self, images_N3HW: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return logits (N x K) and class activation maps (N x K x H x W), both float32."""
        torch = self._torch
        with torch.inference_mode():
            images = torch.from_numpy(images_N3HW).to(device=self._device, memory_format=torch.channels_last)
            logits_NK, cam_NKHW = self.network.logits_and_cam(images)
            return logits_NK.cpu().numpy(), np.ascontiguousarray(cam_NKHW.cpu().numpy())

    def fingerprint(self) -> dict[str, str | int]:
        """Return runtime, version, device, processor features and threads."""
        on_cpu = self._device == "cpu"
        return {
            "runtime": "torch",
            "version": str(self._torch.__version__),
            "device": "cpu" if on_cpu else str(self._torch.cuda.get_device_name(self._device)),
            "processor": processor_features(),
            "threads": self._threads if on_cpu else 0,
        }


def processor_features() -> str:
    """Return the machine type and the instruction sets that decide which kernels a runtime takes."""
    flags: set[str] = set()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.lower().startswith(("flags", "features")):
                flags.update(line.partition(":")[2].split())
                break
    return " ".join([platform.machine(), *sorted(flag for flag in flags if flag.startswith(_FEATURES))])


def _load_network(checkpoint: Checkpoint) -> Classifier:
    """Build the network that the card describes and load its weights as float32."""
    from safetensors.torch import load_file

    from models.classifier import Classifier

    card = checkpoint.card
    network = Classifier(
        card.architecture.backbone,  # type: ignore[arg-type]
        card.architecture.head,  # type: ignore[arg-type]
        len(card.classes),
        card.architecture.size,
    )
    state = network.state_dict()
    loaded = {name: tensor.to(state[name].dtype) for name, tensor in load_file(checkpoint.weights).items()}
    # The count of batches is of no use after training, and is not stored.
    network.load_state_dict(loaded | {name: state[name] for name in state if name.endswith("num_batches_tracked")})
    return network.eval()
