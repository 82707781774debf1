"""Where a row's starting weights come from: files that the user names, what they can be made of, or torchvision's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from safetensors.torch import save_file

from models.backbones import Backbone, BackboneName, read_state
from training.papers.starting import GROWN, grow, read_keras_vgg16


@dataclass(frozen=True)
class Start:
    """A file of starting weights, and what a result must say of them where they are no network's own from ImageNet."""

    path: Path
    note: str = ""


def find_weights(backbone: BackboneName, files: Sequence[Path], download: bool, folder: Path) -> Start | None:
    """Return the first file whose weights fit the backbone, or what can be made of one, or None.

    Parameters
    ----------
    download
        Whether torchvision may fetch its own weights, where no file fits; they stay in torch's cache.
    folder
        Where weights are written that are made of a file: a deeper network grown from ResNet50, a VGG16 out of ONNX.

    Raises
    ------
    OSError
        When they cannot be fetched.
    """
    for path in files:
        if path.suffix != ".onnx" and _fits(backbone, path):
            return Start(path)
    if download:
        weights = torchvision.models.get_model_weights(backbone).IMAGENET1K_V1
        torch.hub.load_state_dict_from_url(weights.url, progress=True, check_hash=True)
        cache: str = torch.hub.get_dir()
        name: str = weights.url.rpartition("/")[2]
        return Start(Path(cache) / "checkpoints" / name)
    for path in files:
        if backbone == "vgg16" and path.suffix == ".onnx":
            note = (
                f"VGG16 out of {path.name}, a network that was trained on; how far its last block moved is not known."
            )
            return _made(read_keras_vgg16(path), folder / "vgg16.safetensors", note)
        if backbone in GROWN and path.suffix != ".onnx" and _fits("resnet50", path):
            return _made(grow(read_state(path), backbone), folder / f"{backbone}.safetensors", "Grown from ResNet50.")
    return None


def _made(state: dict[str, torch.Tensor], path: Path, note: str) -> Start:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    return Start(path, note)


def _fits(backbone: BackboneName, path: Path) -> bool:
    try:
        Backbone(backbone).load_imagenet(path)
    except ValueError:
        return False
    return True
