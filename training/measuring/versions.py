"""A checkpoint's figures as a row beside those of others; taken from its card, not measured anew."""

from __future__ import annotations

from models.card import Card
from models.versions import VersionRow
from training.fitting.recipes import read_recipe

CHANGES = ("black border", "white border", "crop")
"""The changes that a collimator or a closer film makes: what most divides the looks that a network may be given."""
FIGURES = ("auc", "pneumonia accuracy", "accuracy", "sensitivity", "specificity")


def version_row(name: str, card: Card) -> VersionRow:
    """Return the figures of a card under a name; sets that were measured behind the scope gate are left out."""
    splits = card.measurements.splits
    metrics = {
        split: {figure: found[figure] for figure in FIGURES if figure in found}
        for split, found in card.metrics.items()
        if split not in splits or not splits[split].gate
    }
    rows = sorted(card.measurements.styles, key=lambda row: row.specificity.value)
    worst = {"plausible": [row for row in rows if row.plausible], "any": rows}
    return VersionRow(
        name,
        metrics,
        {kind: found[0].specificity for kind, found in worst.items() if found},
        {
            f"{row.change} {row.strength}": row.specificity
            for row in card.robustness
            if row.change in CHANGES and row.specificity is not None
        },
        _parts(card),
    )


def _parts(card: Card) -> dict[str, str]:
    """Return what a card says of how its network sees and was trained."""
    recipe = read_recipe(card.recipe["recipe"])
    strength = recipe.augmentation
    return {
        "sees": card.transform.removeprefix("stretch-224-").removesuffix("-v1").replace("-", " "),
        "trained on": recipe.transform.removeprefix("stretch-224-").removesuffix("-v1").replace("-", " "),
        "styles exchanged": f"{strength.style_probability:.0%}",
        "stamps carried": f"{strength.stamp_probability:.0%}",
        "stamped images weigh": f"{recipe.stamped_weight:g}",
        "price off the lungs": f"{recipe.outside_penalty:g}",
        "labels corrected": "yes" if recipe.target_momentum < 1 else "no",
        "learns": recipe.trained,
    }
