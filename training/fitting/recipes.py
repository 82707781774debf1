"""What decides a training run, as data: one frozen dataclass for each recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from models.card import FindingName

if TYPE_CHECKING:
    from models.backbones import BackboneName
    from models.heads import HeadName

TrainedPart = Literal["whole network", "normalisation and head"]

FINDINGS: Mapping[str, FindingName] = {
    "normal": "normal",
    "pneumonia": "pneumonia",
    "bacterial": "bacterial pneumonia",
    "viral": "viral pneumonia",
}
"""What the class names of the published collection mean."""


@dataclass(frozen=True)
class Stage:
    """A number of epochs at one image size (pixels, square)."""

    size: int
    epochs: int

    @property
    def cost(self) -> float:
        """Relative cost of the stage: the work grows with the area of the image."""
        return self.epochs * float(self.size) ** 2


@dataclass(frozen=True)
class Augmentation:
    """Strength of each random change; 0 leaves it out. Fractions are of the image's side or of the grey range."""

    rotation_degrees: float = 20.0
    zoom: float = 0.15
    aspect: float = 0.2
    shift: float = 0.1
    shear_degrees: float = 8.0
    flip_probability: float = 0.5
    gamma: float = 0.4
    contrast: float = 0.3
    brightness: float = 0.15
    ramp: float = 0.15
    blur: float = 1.0
    sharpness: float = 1.5
    coarse_probability: float = 0.2
    noise: float = 0.04
    border_probability: float = 0.3
    border: float = 0.14
    corner_probability: float = 0.25
    corner: float = 0.3
    local_contrast: float = 0.0
    equalise_probability: float = 0.0
    text_probability: float = 0.0
    style_probability: float = 0.0
    amplitude_reach: float = 0.0
    stamp_probability: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a run, except the data and the starting weights.

    Attributes
    ----------
    findings
        What each class means, by its name; names that are no class of the recipe count for nothing.
    oversample
        Whether images of the smaller classes are drawn again at random until every class has as many as the largest
        (section III.B of the two-class paper).
    target_momentum
        1 trains on the labels alone. Below 1 each image's target is a running average that starts as its label and
        moves by ``1 - target_momentum`` towards what the network says of it in each epoch, so that a label which the
        other images contradict loses weight: self-ensemble label correction (Lu and He, SELC, IJCAI 2022).
    outside_penalty
        Weight, in the loss, of the share of the class activation that lies outside the lung field.
    donors_stamped
        Share of the images that lend their style which are drawn from the stamped cluster; the others are of another
        class than the image that takes it.
    stamped_weight
        Weight, in the loss, of the stamped cluster's images: where nearly all of them show one disease, the cluster is
        no evidence for it.
    start_share
        None takes the epoch with the lowest validation loss. A number takes the running average at the end, with this
        share of the weights that the run began with: such a mean holds better on images that look otherwise than
        either end (Wortsman et al., WiSE-FT, CVPR 2022).
    trained
        What learns. Where it is normalisation and head, the kernels of the convolutions stay bit for bit what the run
        began with: little memory, little over-fitting, and a weights file that differs from the one before in one part
        of four hundred (Frankle, Schwab and Morcos, Training BatchNorm and only BatchNorm, ICLR 2021).
    """

    name: str
    classes: tuple[str, ...]
    findings: Mapping[str, FindingName] = field(default_factory=lambda: dict(FINDINGS))
    backbone: BackboneName = "resnet50"
    head: HeadName = "dropout-gap"
    dropout: float = 0.5
    transform: str = "stretch-224-standardised-v1"
    stages: tuple[Stage, ...] = (Stage(160, 8), Stage(192, 6), Stage(224, 6))
    batch_size: int = 32
    learning_rate: float = 5e-4
    body_factor: float = 0.4
    head_factor: float = 3.0
    weight_decay: float = 0.02
    warm_up: float = 0.05
    final_factor: float = 0.02
    label_smoothing: float = 0.05
    class_weighted: bool = True
    average_decay: float = 0.996
    target_momentum: float = 1.0
    start_share: float | None = None
    trained: TrainedPart = "whole network"
    oversample: bool = False
    outside_penalty: float = 0.0
    donors_stamped: float = 0.0
    stamped_weight: float = 1.0
    seed: int = 20250
    augmentation: Augmentation = field(default_factory=Augmentation)

    @property
    def pneumonia(self) -> tuple[int, ...]:
        """Indices of the classes that mean pneumonia of any type."""
        return tuple(index for index, name in enumerate(self.classes) if self.findings[name] != "normal")

    @property
    def epochs(self) -> int:
        """Number of passes over the training images."""
        return sum(stage.epochs for stage in self.stages)

    def size_at(self, progress: float) -> int:
        """Return the image size at a progress between 0 and 1, measured in work rather than in epochs."""
        total, done = sum(stage.cost for stage in self.stages), 0.0
        for stage in self.stages:
            done += stage.cost / total
            if progress < done - 1e-9:
                return stage.size
        return self.stages[-1].size


def read_recipe(content: Mapping[str, Any]) -> Recipe:
    """Return the recipe that a run's ``history.json`` holds as JSON."""
    parts = {
        "classes": tuple(content["classes"]),
        "stages": tuple(Stage(**stage) for stage in content["stages"]),
        "augmentation": Augmentation(**content["augmentation"]),
    }
    return Recipe(**{**content, **parts})


THREE_CLASS = Recipe(name="resnet50-three-class", classes=("normal", "bacterial", "viral"))
"""From ImageNet weights; the checkpoint of version 0.1.0 was made with it."""

REFINED = Recipe(
    name="resnet50-three-class-refined",
    classes=("normal", "bacterial", "viral"),
    stages=(Stage(192, 4), Stage(224, 10)),
    learning_rate=3e-4,
    head_factor=1.0,
    average_decay=0.998,
    target_momentum=0.9,
    start_share=0.3,
    seed=20260,
    augmentation=Augmentation(
        zoom=0.25,
        gamma=0.5,
        contrast=0.4,
        brightness=0.2,
        sharpness=2.0,
        noise=0.06,
        border_probability=0.35,
        local_contrast=0.7,
        equalise_probability=0.15,
        text_probability=0.15,
    ),
)
"""Goes on from the weights of version 0.1.0: wider crops, other greys, burned-in text, and targets that learn which
labels the collection contradicts."""

LUNGS = Recipe(
    name="resnet50-three-class-lungs",
    classes=("normal", "bacterial", "viral"),
    transform="stretch-224-local-contrast-v1",
    stages=(Stage(160, 6), Stage(192, 1), Stage(224, 1)),
    learning_rate=3e-4,
    head_factor=1.0,
    average_decay=0.99,
    target_momentum=0.9,
    start_share=0.0,
    outside_penalty=0.5,
    donors_stamped=0.3,
    stamped_weight=0.3,
    seed=20270,
    augmentation=replace(
        REFINED.augmentation,
        gamma=0.4,
        local_contrast=0.5,
        equalise_probability=0.1,
        text_probability=0.2,
        style_probability=0.5,
        amplitude_reach=0.05,
        stamp_probability=0.25,
    ),
)
"""Goes on from the weights of version 0.2.0: local contrast alone, styles exchanged between classes, and a price on
evidence outside the lungs."""

COMMON_LOOK = replace(
    LUNGS,
    name="resnet50-three-class-common-look",
    transform="stretch-224-common-look-v1",
    stages=(Stage(160, 4), Stage(192, 2)),
    learning_rate=1.5e-4,
    average_decay=0.995,
    seed=20280,
)
"""Goes on from the weights of version 0.3.0: every image in one look before its local contrast is taken."""

NORMALISATION = replace(
    LUNGS,
    name="resnet50-three-class-normalisation",
    transform="stretch-224-common-greys-v1",
    stages=(Stage(160, 2), Stage(224, 2)),
    learning_rate=5e-4,
    body_factor=1.0,
    trained="normalisation and head",
    seed=20290,
    augmentation=replace(LUNGS.augmentation, zoom=0.45, border_probability=0.5, border=0.16),
)
"""Goes on from the weights of version 0.5.0 under equal greys, with closer crops and wider borders; the convolutions
stay."""

RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe for recipe in (THREE_CLASS, REFINED, LUNGS, COMMON_LOOK, NORMALISATION)
}

PARTS: Mapping[str, Mapping[str, Any]] = {
    "equal-greys": {"transform": "stretch-224-local-contrast-v1"},
    "local-contrast": {"transform": "stretch-224-standardised-v1"},
    "style-exchange": {"augmentation": {"style_probability": 0.0, "stamp_probability": 0.0}},
    "outside-penalty": {"outside_penalty": 0.0},
    "stamped-weight": {"stamped_weight": 1.0},
    "label-correction": {"target_momentum": 1.0},
    "held-kernels": {"trained": "whole network"},
}
"""What may be left out of a recipe to see what it is worth: the fields that change, by the part's name."""
_WITHOUT = " without "


def leave_out(recipe: Recipe, part: str) -> Recipe:
    """Return the recipe without one of :data:`PARTS`, under a name that says so.

    Raises
    ------
    ValueError
        When the recipe never had it.
    """
    fields = dict(PARTS[part])
    if "augmentation" in fields:
        fields["augmentation"] = replace(recipe.augmentation, **fields["augmentation"])
    changed = replace(recipe, **fields)
    if changed == recipe:
        raise ValueError(f"The recipe {recipe.name} has no {part} that could be left out.")
    return replace(changed, name=f"{recipe.name}{_WITHOUT}{part}")


def whole_name(name: str) -> str:
    """Return the name of the recipe of which one is a part."""
    return name.partition(_WITHOUT)[0]
