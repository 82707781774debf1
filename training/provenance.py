"""What the shipped checkpoint was made from and may be used for: the part of its card that no run can measure."""

from __future__ import annotations

from collections.abc import Mapping

from models.card import FindingName, Population, StartingWeights, TrainingData

NAME = "resnet50-three-class"
VERSION = "0.2.0"

FINDINGS: Mapping[str, FindingName] = {
    "normal": "normal",
    "bacterial": "bacterial pneumonia",
    "viral": "viral pneumonia",
}

POPULATION = Population(
    minimum_age_years=1,
    maximum_age_years=5,
    body_part="CHEST",
    views=("PA", "AP"),
    description="Frontal chest radiographs of children of one to five years from one hospital (Guangzhou Women and "
    "Children's Medical Center). The collection's images are anteroposterior; posteroanterior ones are taken to look "
    "alike.",
)

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


def starting_weights(recipe: str) -> StartingWeights:
    """Return where a run of the recipe begins: version 0.1.0 where it refines that, else ImageNet."""
    return _REFINED if recipe == "resnet50-three-class-refined" else _IMAGENET


def training_data(images: Mapping[str, int], digest: str) -> TrainingData:
    """Return the entry of the one collection that the shipped checkpoint saw.

    Parameters
    ----------
    images
        Number of images by split.
    digest
        SHA-256 (hex) of the training split in memory.
    """
    return TrainingData(
        name="Labeled Optical Coherence Tomography (OCT) and Chest X-Ray Images for Classification",
        source="Kermany, Zhang and Goldbaum, Mendeley Data, rscbjbr9sj; the published train and val folders",
        licence="CC BY 4.0",
        images=dict(images),
        digest=digest,
        notes="Labels are those of the file names; none was read again. Splits never share a patient, as far as the "
        "names tell. Val chose the epoch and fitted calibration, operating points and margin of each version. Reserved "
        "was looked at once for version 0.1.0, and once for 0.2.0, when all else was settled.",
    )
