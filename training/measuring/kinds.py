"""Pictures of many kinds that a network for chest radiographs should not judge, to choose and to measure a score.

Everything is display values: float32, rows x columns (H, W), in [0, 1].
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.demo.phantom import phantom_values
from training.fitting.dataset import LabelledImage, find_pictures, read_display_values
from training.measuring.changes import Values

ENOUGH = 50
"""Fewest distinct pictures of a kind about which anything is said."""
_RADIOGRAPHS = 100
_CROPS = 12
"""Cuts of each picture where packages ship too few of a kind."""
_GREY_INSTANCES = ("693_J2KI", "CT_small", "J2K_pixelrep_mismatch", "JPEG2000", "MR_small", "examples_overlay")
"""What pydicom ships with itself that is one grey picture of a patient (CT, MR, NM), each once; no radiograph."""


@dataclass(frozen=True)
class Kind:
    """Pictures of one kind.

    Attributes
    ----------
    chooses
        Whether the score was chosen by this kind; the others judge it.
    source
        What the pictures were made of, for the card.
    """

    name: str
    chooses: bool
    source: str
    pictures: Sequence[Values]

    @property
    def distinct(self) -> int:
        """How many of the pictures differ from all others."""
        return len({hashlib.sha256(picture.tobytes()).digest() for picture in self.pictures})


class PicturesOnDisk(Sequence[Values]):
    """The pictures and DICOM instances of a folder, at any depth, each read when it is asked for.

    Raises
    ------
    ValueError
        When there are none; on reading, when a file is no image.
    """

    def __init__(self, folder: Path) -> None:
        self._paths = find_pictures(folder)
        if not self._paths:
            raise ValueError(f"There is no image in {folder}.")

    def __len__(self) -> int:
        return len(self._paths)

    @overload
    def __getitem__(self, index: int) -> Values: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Values]: ...
    def __getitem__(self, index: int | slice) -> Values | Sequence[Values]:
        if isinstance(index, slice):
            return [read_display_values(path) for path in self._paths[index]]
        return read_display_values(self._paths[index])


def one_a_patient(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Return up to a hundred images of different patients, drawn from all, to make pictures of other kinds of."""
    by_group = {image.group: image for image in images}
    drawn = np.random.default_rng(0).permutation(len(by_group))[:_RADIOGRAPHS]
    found = list(by_group.values())
    return [found[index] for index in sorted(drawn)]


def kinds(radiographs: Sequence[Values]) -> list[Kind]:
    """Return every kind; the transformed ones are made of the given radiographs, one for each of them."""
    turned: Mapping[tuple[str, bool], Callable[[Values], Values]] = {
        ("inverted", True): lambda values: 1 - values,
        ("rotated by 90 degrees", True): partial(np.rot90, k=1),
        ("a fifth of each side, cropped", True): partial(_cropped, random=np.random.default_rng(1)),
        ("rotated by 180 degrees", False): partial(np.rot90, k=2),
        ("flipped vertically", False): np.flipud,
    }
    found = [
        Kind(name, chooses, "val radiographs", tuple(_plain(change(values)) for values in radiographs))
        for (name, chooses), change in turned.items()
    ]
    found.append(Kind("mosaics of four", False, "val radiographs", tuple(_mosaics(radiographs))))
    found.append(Kind("noise", True, "drawn greys", tuple(_noise(seed) for seed in range(100))))
    found.append(Kind("handwritten digits", False, "scikit-learn's digits, 8 x 8", tuple(_digits(100))))
    found.append(_cut("natural pictures", "flower and china of scikit-learn, grace_hopper of matplotlib", _natural()))
    found.append(_cut("medical pictures", "CT, MR and NM instances of pydicom's own", _medical()))
    phantoms = tuple(phantom_values(seed, 320, 256) for seed in range(100))
    found.append(Kind("phantoms", False, "auscult's synthetic radiographs", phantoms))
    return found


def _cut(name: str, what: str, pictures: Sequence[Values]) -> Kind:
    """Make a kind of cuts, for there are too few pictures; the source says how many there are."""
    random = np.random.default_rng(2)
    per = max(_CROPS, -(-ENOUGH // max(len(pictures), 1)))
    cuts = [_cropped(values, random, random.uniform(0.4, 0.9)) for values in pictures for _ in range(per)]
    return Kind(name, False, f"{per} cuts of each of {len(pictures)} pictures: {what}", tuple(cuts))


def _cropped(values: Values, random: np.random.Generator, share: float = 0.2) -> Values:
    """Cut out a rectangle whose sides are a share of the picture's, wherever."""
    rows, columns = (max(1, int(side * share)) for side in values.shape)
    top, left = random.integers(values.shape[0] - rows + 1), random.integers(values.shape[1] - columns + 1)
    return _plain(values[top : top + rows, left : left + columns])


def _mosaics(radiographs: Sequence[Values]) -> list[Values]:
    """Put each radiograph beside the three after it, two by two."""
    reduced = [_plain(np.asarray(Image.fromarray(values).resize((112, 112)))) for values in radiographs]
    turned = [reduced[index:] + reduced[:index] for index in range(4)]
    return [np.block([[a, b], [c, d]]) for a, b, c, d in zip(*turned, strict=True)]


def _noise(seed: int) -> Values:
    """Draw greys: half of the pictures independent from pixel to pixel, half smooth over some sixteen of them."""
    random = np.random.default_rng(seed)
    if seed % 2:
        return random.random((224, 224), dtype=np.float32)
    coarse = Image.fromarray(random.random((14, 14), dtype=np.float32))
    return _plain(np.asarray(coarse.resize((224, 224), Image.Resampling.BICUBIC)))


def _digits(count: int) -> list[Values]:
    from sklearn.datasets import load_digits

    images_NHW = load_digits().images[:count]
    return [_plain(image / 16) for image in images_NHW]


def _natural() -> list[Values]:
    shipped = resources.files("sklearn") / "datasets" / "images"
    sample = resources.files("matplotlib") / "mpl-data" / "sample_data"
    paths = [shipped / "china.jpg", shipped / "flower.jpg", sample / "grace_hopper.jpg"]
    return [read_display_values(Path(str(path))) for path in paths if path.is_file()]


def _medical() -> list[Values]:
    folder = resources.files("pydicom") / "data" / "test_files"
    paths = [folder / f"{name}.dcm" for name in _GREY_INSTANCES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some of these files are there to be warned of
        return [read_display_values(Path(str(path))) for path in paths if path.is_file()]


def _plain(values: NDArray[np.generic]) -> Values:
    return np.ascontiguousarray(np.clip(values, 0, 1), dtype=np.float32)
