"""A checkpoint on disk: ``weights.safetensors``, graphs that point into it, and ``card.json``."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from models.card import Card
from models.transforms import TRANSFORMS

WEIGHTS, GRAPH, INT8_GRAPH, CARD = "weights.safetensors", "graph.onnx", "graph-int8.onnx", "card.json"
_CARD_ADAPTER = TypeAdapter(Card)


class UnusableCheckpoint(Exception):
    """The checkpoint's folder lacks a file, holds a changed one, or its card contradicts itself."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose card was read and checked.

    Attributes
    ----------
    digest
        SHA-256 (hex) of ``card.json``; since the card holds the digests of the other files, it stands for all of them.
    """

    folder: Path
    card: Card
    digest: str

    @classmethod
    def load(cls, folder: Path, *, verify: bool = True) -> Checkpoint:
        """Read a checkpoint's card, and check that the other files are the ones it names.

        Parameters
        ----------
        verify
            Whether to compute the digests of all files (0.1 s for 47 MB), or only to look whether they exist.

        Raises
        ------
        UnusableCheckpoint
            When a file is absent or changed, or the card cannot be understood.
        """
        try:
            content = (folder / CARD).read_bytes()
        except OSError as error:
            raise UnusableCheckpoint(
                f"There is no readable {CARD} in {folder}; point the setting to a checkpoint's folder."
            ) from error
        # The card names the digest of every other file, so that its own stands for the checkpoint as a whole.
        checkpoint = cls(folder, read_card(content), hashlib.sha256(content).hexdigest())
        for name in checkpoint.files:
            if not (folder / name).is_file():
                raise UnusableCheckpoint(f"{name} is absent from {folder}; fetch the checkpoint again.")
        if verify:
            checkpoint.verify()
        return checkpoint

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the files that the card stands for."""
        return (WEIGHTS, GRAPH) if self.card.int8 is None else (WEIGHTS, GRAPH, INT8_GRAPH)

    @property
    def weights(self) -> Path:
        """The safetensors file: large tensors in float16, the small ones of batch normalisation in float32."""
        return self.folder / WEIGHTS

    @property
    def graph(self) -> Path:
        """The ONNX graph, whose initialisers point into :attr:`weights`."""
        return self.folder / GRAPH

    @property
    def int8_graph(self) -> Path:
        """The ONNX graph with 8-bit arithmetic, which points into the same weights; there if the card says so."""
        return self.folder / INT8_GRAPH

    def verify(self) -> None:
        """Compare the digest of each file with the card's.

        Raises
        ------
        UnusableCheckpoint
            When a file differs from the one that the card was written for.
        """
        # A weight with a changed bit raises nothing: it would give another probability, and nobody would notice.
        for name in self.files:
            if file_digest(self.folder / name) != self.card.digests.get(name):
                raise UnusableCheckpoint(f"{name} in {self.folder} is not the file its card names; fetch it again.")


def default_path() -> Path:
    """Return the folder of the checkpoint that ships with the product."""
    return Path(__file__).parent / "weights" / "resnet50-three-class"


def file_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_card(content: bytes) -> Card:
    """Parse and check a card.

    Raises
    ------
    UnusableCheckpoint
        When a field is absent or of the wrong type, or the fields contradict each other.
    """
    try:
        card = _CARD_ADAPTER.validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnusableCheckpoint(f"{CARD}: {where or 'the whole file'}: {first['msg']}.") from error
    for complaint in _complaints(card):
        raise UnusableCheckpoint(f"{CARD}: {complaint}")
    return card


def write_card(card: Card) -> bytes:
    """Return the bytes of ``card.json``, without what was not measured: an older card keeps its bytes and digest."""
    return _CARD_ADAPTER.dump_json(card, indent=1, exclude_defaults=True) + b"\n"


def _complaints(card: Card) -> list[str]:
    """Name what contradicts itself in a card whose fields have the right types."""
    found = []
    if set(card.findings) != set(card.classes):
        found.append("findings must name each class exactly once.")
    elif not 0 < len(card.pneumonia_classes) < len(card.classes):
        found.append("findings must hold at least one normal and one pneumonia class.")
    if len(card.calibration.bias) != len(card.classes) or card.calibration.temperature <= 0:
        found.append("calibration needs a positive temperature and one bias for each class.")
    if not 0 < card.calibration.prevalence < 1:
        found.append("calibration.prevalence must lie between 0 and 1.")
    if card.transform not in TRANSFORMS:
        found.append(f"there is no transform {card.transform!r}; this version knows {', '.join(TRANSFORMS)}.")
    if {point.name for point in card.operating_points} != {"rule-in", "balanced", "rule-out"}:
        found.append("operating_points must be rule-in, balanced and rule-out.")
    if any(not 0 < point.lower <= point.upper < 1 for point in card.operating_points):
        found.append("each operating point needs 0 < lower <= upper < 1.")
    if not 0 <= card.type_margin <= 1 or card.cam_scale <= 0:
        found.append("type_margin must lie between 0 and 1, and cam_scale above 0.")
    return found
