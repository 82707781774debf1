"""What a checkpoint was made from and may be used for: the part of its card that no run can measure."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from models.card import FindingName, Population, StartingWeights, TrainingData
from training.fitting.recipes import COMMON_LOOK, FINDINGS, LUNGS, NORMALISATION, REFINED, whole_name

_IMAGENET = StartingWeights(
    description="ResNet50 v1.5 trained on ImageNet-1k (a TensorFlow official model of 2018), 8-bit per tensor, in "
    "torchvision's layout. Its ImageNet accuracy was not measured again.",
    licence="The publisher licenses the model's code under Apache-2.0; the repository that carried the weights states "
    "no licence.",
)

_REFINED = StartingWeights(
    description="Version 0.1.0 of this checkpoint, under this project's Apache-2.0: recipe `resnet50-three-class`, 13 "
    "epochs on the same training images (160 px: 8, 192 px: 2, 224 px: 3), the running average after epoch 10. That "
    f"one began with {_IMAGENET.description}",
    licence=f"Of the ImageNet weights: {_IMAGENET.licence}",
)


_LUNGS = StartingWeights(
    description="Version 0.2.0 of this checkpoint, under this project's Apache-2.0: recipe "
    "`resnet50-three-class-refined`, 10 epochs on the same training images. That one began with: "
    f"{_REFINED.description}",
    licence=_REFINED.licence,
)

_COMMON_LOOK = StartingWeights(
    description="Version 0.3.0 of this checkpoint, under this project's Apache-2.0: recipe "
    "`resnet50-three-class-lungs`, 3 epochs on the same training images (160 px: 2, 192 px: 1), the running average at "
    f"the end. That one began with: {_LUNGS.description}",
    licence=_LUNGS.licence,
)

_NORMALISATION = StartingWeights(
    description="Version 0.5.0 of this checkpoint, under this project's Apache-2.0: the weights of 0.3.0, seen through "
    f"`stretch-224-common-greys-v1`. Of these: {_COMMON_LOOK.description}",
    licence=_COMMON_LOOK.licence,
)


@dataclass(frozen=True)
class DataSource:
    """Where images and labels come from, and under which licence."""

    name: str
    source: str
    licence: str
    notes: str = ""


PNEUMONIA_ALONE = {
    "en": "Looks for pneumonia patterns on frontal chest radiographs and for nothing else; a result without one does "
    "not exclude pneumonia or any other disease.",
    "vi": "Chỉ tìm dấu hiệu viêm phổi trên phim X-quang ngực thẳng, không tìm gì khác; kết quả không thấy dấu hiệu này "
    "không loại trừ viêm phổi hay bất kỳ bệnh nào khác.",
}
"""What a checkpoint of these recipes was not made for, by language; no clinician has reviewed the Vietnamese."""


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True)
class Provenance:
    """What people must say of a checkpoint.

    Attributes
    ----------
    findings
        What each class of the data means, in the order of the network's outputs.
    limits
        What the checkpoint is not made for, by language; reports say it.

    Raises
    ------
    ValueError
        When the findings hold no normal class, no pneumonia class, or one type of pneumonia without the other: a
        network that knows one type alone would name it in every positive image.
    """

    name: str
    version: str
    findings: Mapping[str, FindingName]
    population: Population
    data: DataSource
    starting_weights: StartingWeights
    limits: Mapping[str, str] = field(default_factory=lambda: dict(PNEUMONIA_ALONE))

    def __post_init__(self) -> None:
        meant = set(self.findings.values())
        if "normal" not in meant or meant == {"normal"}:
            raise ValueError("findings must map at least one class to normal and one to pneumonia")
        if len(meant & {"bacterial pneumonia", "viral pneumonia"}) == 1:
            raise ValueError("findings must hold both bacterial and viral pneumonia or neither; map to pneumonia")

    def training_data(self, images: Mapping[str, int], digest: str) -> TrainingData:
        """Return the card's entry for the data.

        Parameters
        ----------
        images
            Number of images by split.
        digest
            SHA-256 (hex) of the training images in memory.
        """
        data = self.data
        return TrainingData(data.name, data.source, data.licence, dict(images), digest, data.notes)


SHIPPED = Provenance(
    name="resnet50-three-class",
    version="0.5.0",
    findings={name: FINDINGS[name] for name in ("normal", "bacterial", "viral")},
    population=Population(
        minimum_age_years=1,
        maximum_age_years=5,
        body_part="CHEST",
        views=("PA", "AP"),
        description="Frontal chest radiographs of children of one to five years from one hospital (Guangzhou Women and "
        "Children's Medical Center). The collection's images are anteroposterior; posteroanterior ones are taken to "
        "look alike.",
    ),
    data=DataSource(
        name="Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification",
        source="Kermany, Zhang and Goldbaum, Mendeley Data, rscbjbr9sj; the published train and val folders",
        licence="CC BY 4.0",
        notes="Labels are those of the file names; none was read again. Splits never share a patient, as far as the "
        "names tell. Val chose the epoch and fitted calibration, operating points and margin of each version. Reserved "
        "was looked at once for each of the versions 0.1.0, 0.2.0, 0.3.0, 0.4.0 and 0.5.0, when all else was settled.",
    ),
    starting_weights=_IMAGENET,
)
"""Of the network that ships with the product, when it is trained from ImageNet weights."""


def origin_of(recipe: str) -> Provenance:
    """Return what is to be said of a run on the published collection: where it begins depends on the recipe."""
    starts = {
        REFINED.name: _REFINED,
        LUNGS.name: _LUNGS,
        COMMON_LOOK.name: _COMMON_LOOK,
        NORMALISATION.name: _NORMALISATION,
    }
    return replace(SHIPPED, starting_weights=starts.get(whole_name(recipe), _IMAGENET))


_ADAPTER = TypeAdapter(Provenance)


def read_provenance(path: Path) -> Provenance:
    """Read a TOML file that says what data are and mean.

    Raises
    ------
    ValueError
        When a field is absent, unknown or of the wrong type, or the findings contradict themselves.
    """
    try:
        return _ADAPTER.validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path.name} is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise ValueError(f"{path.name}: {where}: {first['msg']}.") from error
