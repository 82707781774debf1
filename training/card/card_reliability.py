"""Sections of the model card on what a result is worth: calibration, predictive values, abstention, subgroups."""

from __future__ import annotations

from models.card import Card
from models.measurements import CalibrationCheck, CalibrationError
from training.card.markdown import show, table

_FIGURES = ("accuracy", "pneumonia accuracy", "auc", "sensitivity", "specificity")


def calibration(card: Card) -> str:
    """Return the section on whether probabilities can be taken at their word."""
    splits = card.measurements.splits
    if not splits:
        return ""
    rows = ([name, *_judged(part.calibration)] for name, part in splits.items())
    header = ["images", "slope", "intercept", "error of P(pneumonia)", "classwise error"]
    return f"""## Calibration

Slope (1 is right; below it probabilities are too extreme) and intercept at slope 1 (0 is right; above it pneumonia is
more frequent than said) of a logistic regression of the truth on the logit of P(pneumonia). The error is over ten bins
of equal mass; behind it stands what perfect calibration would give for these very images: mean, and the value that 95 %
of draws stay below. Labels drawn from the probabilities tell it.

{table(header, rows)}"""


def predictive_values(card: Card) -> str:
    """Return the section on what outcomes are worth at several prevalences."""
    val = card.measurements.splits.get("val")
    if val is None:
        return ""
    rows = (
        [row.operating_point, f"{row.prevalence:.0%}", show(row.positive), show(row.negative), show(row.alarms, 1)]
        for row in val.predictive_values
    )
    return f"""## Predictive values

Share of positive outcomes with pneumonia, and of negative ones without, on val, where the share of pneumonia is
another. Worked out by Bayes' rule from the shares of either truth, as if nothing else differed; the outcomes are those
without `expected_prevalence`. An interval that ends at 1 means that no wrong outcome was seen, not that there is none.

{table(["point", "prevalence", "positive is right", "negative is right", "positive in 100 studies"], rows)}"""


def abstention(card: Card) -> str:
    """Return the section on what is answered at each operating point, and how well."""
    splits = card.measurements.splits
    if not splits:
        return ""
    rows = (
        [name, row.operating_point, *map(show, (row.coverage, row.accuracy, row.type_coverage, row.type_accuracy))]
        for name, part in splits.items()
        for row in part.abstention
    )
    header = ["images", "point", "answered", "of these right", "positive ones with a type", "of these types right"]
    return f"""## With abstention

Apart from the figures above: an image in the indeterminate band counts as not answered, and a type is named beyond the
margin of {card.type_margin:g} alone. A type named on a normal image is wrong.

{table(header, rows)}"""


def naming(card: Card) -> str:
    """Return what naming the type from each lead onwards would do; nothing where it was not measured."""
    rows = card.measurements.naming
    if not rows:
        return ""
    body = ([f"{row.lead:g}", *map(show, (row.named, row.right, row.right_in_styles))] for row in rows)
    return f"""
What naming from each lead onwards would do, over val's images of pneumonia (cross-fitted), and in the plausible style
in which it is least often right; nothing where that was not kept:

{table(["lead", "named", "of these right", "right in the worst style"], body)}"""


def operating_points(card: Card) -> str:
    """Return the section on what each operating point does on each set of images."""
    rows = [
        [name, row.operating_point, *map(show, (row.sensitivity, row.specificity, row.missed, row.alarmed))]
        for name, part in card.measurements.splits.items()
        for row in part.operating_points
    ]
    if not rows:
        return ""
    header = ["images", "point", "sensitivity", "specificity", "missed", "false alarms"]
    return f"""## Operating points, set by set

Limits come from val and are the same everywhere. Missed: called negative in spite of pneumonia. False alarms: called
positive without. What lies between the limits is neither.

{table(header, rows)}{_gate(card)}"""


def _gate(card: Card) -> str:
    """Return what the scope gate kept out of the sets that were measured behind it."""
    rows = [
        [name, row.label, str(row.images), ", ".join(f"{count} {why}" for why, count in row.reasons.items()) or "none"]
        for name, part in card.measurements.splits.items()
        for row in part.gate
    ]
    if not rows:
        return ""
    return f"""
These sets were measured behind the scope gate, as the product works; of each class it kept out:

{table(["images", "class", "number", "kept out"], rows)}"""


def subgroups(card: Card) -> str:
    """Return the section on parts of the images."""
    splits = card.measurements.splits
    if not splits:
        return ""
    rows = (
        [
            name,
            row.aspect,
            row.value + (" *" if row.small else ""),
            f"{row.images} ({row.patients})",
            *(show(row.metrics.get(figure)) for figure in _FIGURES),
        ]
        for name, part in splits.items()
        for row in part.subgroups
    )
    return f"""## Subgroups

Figures as above. Parts with fewer than 50 images or 20 patients carry a star: too few to compare. The size of the
original is known for a part of the reduced images only, and whether an original was stored in colour for none of them;
sex, age and device were never published.

{table(["images", "by", "part", "images (patients)", *_FIGURES], rows)}"""


def _judged(check: CalibrationCheck) -> list[str]:
    return [show(check.slope), show(check.intercept), _beside(check.error), _beside(check.classwise_error)]


def _beside(error: CalibrationError) -> str:
    verdict = "not significantly worse" if error.acceptable else "**worse**"
    return f"{error.value:.3f}; perfect: {error.expected:.3f}, below {error.upper:.3f}: {verdict}"
