"""Every row of both papers as data: what was trained, on which split, and which figures were published.

"Two-class" is Ahnafi, Arifianto and Ramadhani, "Pneumonia Classification from X-ray Images using Residual Neural
Network"; "three-class" is the paper on normal, viral and bacterial pneumonia with ResNet50. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal

from training.fitting.recipes import Augmentation, Recipe, Stage

if TYPE_CHECKING:
    from models.backbones import BackboneName
    from models.heads import HeadName

PaperName = Literal["three-class", "two-class"]
Protocol = Literal["published", "grouped"]
"""As published, images are shuffled whoever they show; grouped, no patient stands on both sides of a split."""
BackboneMode = Literal["frozen", "fine-tuned"]


@dataclass(frozen=True)
class Published:
    """A figure that a paper states, by the name that :func:`training.papers.measures.measure` gives it."""

    measure: str
    value: float
    where: str


@dataclass(frozen=True)
class Folds:
    """Cross-validation: every image is tested once."""

    count: int = 3


@dataclass(frozen=True)
class Draw:
    """Images drawn once by seed, by class in the recipe's order; ``train`` of None takes all that remain."""

    test: tuple[int, ...]
    train: tuple[int, ...] | None = None


@dataclass(frozen=True)
class PaperRow:
    """One row of a table, or one bar or curve of a figure.

    Attributes
    ----------
    where
        The table or figure of the paper.
    published
        What the paper states; empty where it only draws a bar.
    note
        What the paper leaves open, and how it was filled.
    """

    name: str
    paper: PaperName
    where: str
    recipe: Recipe
    split: Folds | Draw
    published: tuple[Published, ...] = ()
    note: str = ""


_STILL = Augmentation(**dict.fromkeys((field.name for field in fields(Augmentation)), 0.0))
_PLAIN = Recipe(
    name="plain",
    classes=("normal", "pneumonia"),
    label_smoothing=0.0,
    class_weighted=False,
    average_decay=0.0,
    augmentation=_STILL,
)
"""What both papers share. Neither names optimiser, learning rate or weight decay: those are the product's."""


def _two_class(
    backbone: BackboneName, head: HeadName = "dropout-gap", *, oversample: bool = True, way: str = ""
) -> Recipe:
    """Return a recipe of the two-class paper: sections III.B to III.D and table II; 15 epochs, batches of 64."""
    return replace(
        _PLAIN,
        name="-".join(part for part in ("two-class", backbone, head, way, "" if oversample else "plain") if part),
        backbone=backbone,
        head=head,
        dropout=0.5,
        transform="stretch-150-standardised-v1",
        stages=(Stage(150, 15),),
        batch_size=64,
        oversample=oversample,
    )


_LIKE_THE_TEST_FOLDER = Draw(test=(234, 390))
"""As many images of each class as the published test folder has (table III), which is not at hand."""

_HEADS: tuple[tuple[HeadName, str], ...] = (
    ("dropout-gap", "figure 7, model 1"),
    ("dropout-flatten", "figure 7, model 2"),
    ("batchnorm-gap", "figure 7, model 3"),
    ("batchnorm-flatten", "figure 7, model 4"),
)

_FIGURE_7 = tuple(
    PaperRow(
        f"figure-7-{head}",
        "two-class",
        where,
        _two_class("resnet50", head),
        Folds(),
        (Published("accuracy", 0.97, "section IV.A"),) if head == "dropout-gap" else (),
        "" if head == "dropout-gap" else "The text states no figure; the bar is lower than model 1's.",
    )
    for head, where in _HEADS
)

_FIGURE_8 = (
    PaperRow(
        "figure-8-resnet50",
        "two-class",
        "figure 8, ResNet50",
        _two_class("resnet50"),
        Folds(),
        (Published("accuracy", 0.97, "section IV.A"),),
        "The same training as figure 7, model 1.",
    ),
    PaperRow("figure-8-resnet101", "two-class", "figure 8, ResNet101", _two_class("resnet101"), Folds()),
    PaperRow(
        "figure-8-resnet152",
        "two-class",
        "figure 8, ResNet152",
        _two_class("resnet152"),
        Folds(),
        (Published("accuracy", 0.98, "section IV.B"),),
    ),
)

_TABLE_4 = PaperRow(
    "table-4-resnet152",
    "two-class",
    "tables III and IV, ResNet152",
    _two_class("resnet152", way="test"),
    _LIKE_THE_TEST_FOLDER,
    (
        Published("pneumonia called pneumonia", 372, "table III"),
        Published("normal called pneumonia", 51, "table III"),
        Published("pneumonia called normal", 18, "table III"),
        Published("normal called normal", 183, "table III"),
        Published("normal precision", 0.91, "table IV"),
        Published("normal recall", 0.78, "table IV"),
        Published("normal f1-score", 0.84, "table IV"),
        Published("pneumonia precision", 0.88, "table IV"),
        Published("pneumonia recall", 0.95, "table IV"),
        Published("pneumonia f1-score", 0.92, "table IV"),
        Published("accuracy", 0.89, "table IV"),
    ),
)

_FIGURE_9 = (
    PaperRow(
        "figure-9-resnet50-oversampled",
        "two-class",
        "figure 9, with oversampling",
        _two_class("resnet50"),
        Folds(),
        note="Figure 9 names neither network nor figure. The same training as figure 7, model 1.",
    ),
    PaperRow(
        "figure-9-resnet50-plain",
        "two-class",
        "figure 9, without oversampling",
        _two_class("resnet50", oversample=False),
        Folds(),
        note="Figure 9 names neither network nor figure; its bar is lower than the one with oversampling.",
    ),
    PaperRow(
        "figure-9-resnet152-plain",
        "two-class",
        "figure 9, without oversampling, ResNet152",
        _two_class("resnet152", oversample=False, way="test"),
        _LIKE_THE_TEST_FOLDER,
        note="Beside table IV, in case figure 9 is of the final network.",
    ),
)

_TABLE_5 = PaperRow(
    "table-5-vgg16",
    "two-class",
    "table V, VGG16",
    _two_class("vgg16", way="test"),
    _LIKE_THE_TEST_FOLDER,
    (
        Published("normal called normal", 201, "table V"),
        Published("pneumonia called pneumonia", 348, "table V"),
        Published("pneumonia f1-score", 0.90, "table V"),
        Published("accuracy", 0.87, "table V"),
    ),
    "Others' network, whose training the paper does not describe: the recipe of table IV with VGG16.",
)

_TABLE_2: Mapping[str, tuple[float, float, float]] = {
    "normal": (0.93525, 0.86667, 0.89965),
    "viral": (0.86624, 0.90667, 0.88599),
    "bacterial": (0.94608, 0.96500, 0.95545),
    "macro avg": (0.91586, 0.91278, 0.91370),
    "weighted avg": (0.91888, 0.91800, 0.91787),
}

_THREE_CLASS = PaperRow(
    "table-2-resnet50",
    "three-class",
    "table 2, figures 4 to 6 and section 4",
    replace(
        _PLAIN,
        name="three-class-resnet50",
        classes=("normal", "bacterial", "viral"),
        dropout=0.0,
        transform="stretch-224-clahe-standardised-v1",
        stages=(Stage(224, 20),),
        batch_size=32,
        augmentation=replace(_STILL, rotation_degrees=20.0, zoom=0.1, shift=0.1),
    ),
    Draw(test=(150, 200, 150), train=(560, 880, 560)),
    (
        *(
            Published(f"{name} {measure}", value, "table 2")
            for name, values in _TABLE_2.items()
            for measure, value in zip(("precision", "recall", "f1-score"), values, strict=True)
        ),
        Published("accuracy", 0.918, "table 2"),
        Published("bacterial recall", 0.96, "section 4, sensitivity"),
        Published("viral recall", 0.91, "section 4, sensitivity"),
        Published("normal recall", 0.87, "section 4, sensitivity"),
        Published("auc", 0.92, "section 4"),
        Published("specificity", 0.92, "section 5"),
        Published("accuracy", 0.92, "section 5"),
    ),
    "Epochs, batch size and the method of contrast enhancement are not stated: 20, 32 and CLAHE. The Keras generator's "
    "zoom of 0.9 to 1.1 is drawn evenly on a logarithmic scale here.",
)

ROWS: tuple[PaperRow, ...] = (_THREE_CLASS, *_FIGURE_7, *_FIGURE_8, _TABLE_4, *_FIGURE_9, _TABLE_5)
"""Every row of both papers, in their order."""


def rows_of(paper: PaperName, names: Sequence[str] = ()) -> tuple[PaperRow, ...]:
    """Return the rows of a paper, or those of some names, in the order of the names.

    Raises
    ------
    ValueError
        When the paper has no row of a name.
    """
    rows = {row.name: row for row in ROWS if row.paper == paper}
    for name in names:
        if name not in rows:
            raise ValueError(f"The {paper} paper has no row {name!r}; choose one of {', '.join(rows)}.")
    return tuple(rows[name] for name in names or rows)
