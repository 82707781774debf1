"""Where a row's ImageNet weights come from: files that the user names, or torchvision's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
import torchvision

from models.backbones import Backbone, BackboneName


def find_weights(backbone: BackboneName, files: Sequence[Path], download: bool) -> Path | None:
    """Return the first file whose weights fit the backbone, or None.

    Parameters
    ----------
    download
        Whether torchvision may fetch its own weights, where no file fits; they stay in torch's cache.

    Raises
    ------
    OSError
        When they cannot be fetched.
    """
    for path in files:
        if _fits(backbone, path):
            return path
    if not download:
        return None
    weights = torchvision.models.get_model_weights(backbone).IMAGENET1K_V1
    torch.hub.load_state_dict_from_url(weights.url, progress=True, check_hash=True)
    folder: str = torch.hub.get_dir()
    name: str = weights.url.rpartition("/")[2]
    return Path(folder) / "checkpoints" / name


def _fits(backbone: BackboneName, path: Path) -> bool:
    try:
        Backbone(backbone).load_imagenet(path)
    except ValueError:
        return False
    return True
