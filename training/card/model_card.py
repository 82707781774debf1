"""The model card as Markdown, generated from ``card.json`` so that no figure is typed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from models.card import Card
from training.card import gate_card, reporting_card, style_card
from training.card.card_evidence import doors, failures, heat_maps, label_noise, robustness, shortcuts
from training.card.card_reliability import (
    abstention,
    calibration,
    naming,
    operating_points,
    predictive_values,
    subgroups,
)
from training.card.external_card import external
from training.card.markdown import show, table
from training.card.provenance import SHIPPED
from training.card.reference_card import references
from training.card.version_card import versions

_PURPOSE = """## Intended use

Research on ordering a reading worklist: the checkpoint estimates P(normal), P(bacterial pneumonia) and P(viral
pneumonia) of one frontal chest radiograph. **It is not a medical device.** It must not be used to diagnose, to
rule out disease, to choose a treatment, or to leave an image unread. "Negative" says only that pneumonia was not
called; it never says that the image is normal.
"""

_LIMITS = """## Limits

- Published work saw a model of this kind fall from an AUC of 0.95 on its own hospital's children to 0.54 on
  adults elsewhere. Ages other than those above are not analysed by default; another hospital, device or
  projection needs its own validation.
- The collection's published test folder was not used. Its normals look different from the training ones: expect
  more false alarms there than the figures above say, and measure with `auscult evaluate --data FOLDER` before
  relying on any operating point.
- Bacterial and viral pneumonia are told apart by the collection's file names, which no reader confirmed on the
  image; most errors are there, so a type is named only beyond the margin above.
- Other findings (effusion, pneumothorax, tuberculosis, tumours, fractures, devices) were never labelled. They may
  be called pneumonia, and they may be called negative.
- The collection's aspect ratio, its colour copies and its burned-in text give the label away. The network sees every
  image in one histogram of greys and of that local contrast alone, at one fixed geometry; it was trained with random
  aspect, borders, stamps and covered corners, and with styles exchanged
  between the classes.
- Equal greys take away a part of what the styles of the tables exchange: that these hold shows that a tone curve no
  longer decides. A machine may differ in other ways, which they cannot show.
- The weights are those of 0.3.0, from a short run (a budget of 48 minutes, 3 passes over train) on local contrast
  without equal greys, which were chosen afterwards by val, its styles and its changed copies. 0.4.0 made the spectra
  alike too; a black border of 5 % of the side then made every third normal positive (specificity 0.634 at the threshold
  of 95 % sensitivity, 0.966 with greys alone). Fine-tuning under that look was tried for one pass over train, recipe
  `resnet50-three-class-common-look`, and made it worse.
- A film that is cropped much more closely than those of the collection looks like disease: with a tenth of each side
  cut away the specificity falls to about 0.7, where 0.3.0 kept 0.92. Equal greys are taken of the whole film. Training
  with crops mended that (0.9) and cost specificity in other machines' styles; it is not shipped (table of versions).
- On reserved and on the originals, which decided nothing, it is near 0.3.0 and below 0.2.0 (table of versions),
  promises of val are not kept there, and P(pneumonia) is too extreme. What is gained is gained on other machines'
  looks.
- The heat map shows where the evidence for pneumonia in the last feature map lies (7 x 7 cells). It is no
  segmentation. How often it is strongest off the lungs stands under "Where the heat maps lie"; the report says so as a
  doubt, and shows no region outside the lung field.
- Val chose the epoch and fitted calibration, operating points and margin, so its figures flatter a little even
  though they are cross-fitted; `reserved` decided nothing. `fullres` holds the original-size images of a part of the
  reserved patients: it shows that full-size input works, and is no second opinion.
"""

_OTHER_LIMITS = """## Limits

- Nothing beyond the figures above was measured. Other patients, hospitals and devices need their own validation.
- Other findings than the classes above are not known to the network. They may be called pneumonia, and they may be
  called negative.
- The heat map shows where the evidence for pneumonia in the last feature map lies. It is no segmentation.
- Val chose the epoch and fitted the calibration.
"""


def render(card: Card, digest: str) -> str:
    """Return the Markdown text of ``docs/model-card.md``."""
    shipped = card.name == SHIPPED.name
    parts = [
        f"# Model card: {card.name} {card.version}\n",
        "<!-- Generated by `auscult checkpoint show --markdown`; edit training/card/model_card.py instead. -->\n",
        _identity(card, digest),
        _PURPOSE,
        _population(card),
        reporting_card.REFERENCE_STANDARD if shipped else "",
        *_measured(card),
        _limits(card) if shipped else _OTHER_LIMITS,
        reporting_card.MONITORING if shipped else "",
        _provenance(card),
    ]
    text = "\n".join(part for part in parts if part)
    sections = frozenset(re.findall(r"^## (.+)$", text, re.MULTILINE))
    return text + (f"\n{reporting_card.checklist(sections)}" if shipped else "")


def _measured(card: Card) -> list[str]:
    """Return the sections on what was measured, in the order of the card."""
    return [
        _metrics(card),
        external(card),
        versions(card),
        calibration(card),
        _operating_points(card),
        operating_points(card),
        abstention(card),
        predictive_values(card),
        subgroups(card),
        style_card.clusters(card),
        style_card.styles(card),
        style_card.points(card),
        robustness(card),
        gate_card.unlike_training(card),
        references(card),
        shortcuts(card),
        heat_maps(card),
        failures(card),
        label_noise(card),
        doors(card),
        gate_card.int8(card),
    ]


def _limits(card: Card) -> str:
    missing = {
        "calibration slope and subgroups": card.measurements.splits,
        "covered copies and the place of the evidence": card.measurements.shortcuts,
        "noise of the labels": card.measurements.label_noise,
        "both doors": card.measurements.doors,
    }
    names = [name for name, found in missing.items() if not found]
    return _LIMITS + (f"- Not measured for this version: {'; '.join(names)}.\n" if names else "")


def _identity(card: Card, digest: str) -> str:
    architecture = card.architecture
    classes = ", ".join(f"`{name}` ({card.findings[name]})" for name in card.classes)
    size = f"{architecture.size} x {architecture.size}"
    return f"""- Architecture: {architecture.backbone}, head `{architecture.head}`, input {size}
- Classes: {classes}; P(pneumonia) is the sum of the pneumonia classes
- Transform: `{card.transform}`
- Digest of `card.json`, which holds the other files' digests: `{digest}`
"""


def _population(card: Card) -> str:
    population = card.population
    return f"""## Population

{population.description} Body part {population.body_part}, views {" and ".join(population.views)}, ages
{population.minimum_age_years} to {population.maximum_age_years} years.

What every report quotes as its limits: {card.limits.get("en", "nothing; the card is older than that")}
"""


def _metrics(card: Card) -> str:
    names = list(dict.fromkeys(name for metrics in card.metrics.values() for name in metrics))
    rows = ([name, *(show(metrics.get(name)) for metrics in card.metrics.values())] for name in names)
    return f"""## Figures

Every image counted: no abstention, no gate. 95 % intervals by bootstrap over patient groups. `accuracy` is of three
classes; `pneumonia accuracy`, `sensitivity` and `specificity` ask whether the most probable class is a pneumonia
class; `brier` and `ece` (ten bins of equal mass) judge P(pneumonia). The val column is cross-fitted: each fifth of
the patients is calibrated on the others.

{table(["figure", *card.metrics], rows)}
Probabilities are calibrated at a prevalence of pneumonia of {card.calibration.prevalence:g}; a site's
`expected_prevalence` shifts them by Bayes' rule.
"""


def _operating_points(card: Card) -> str:
    rows = (
        [
            point.name,
            f"{point.lower:g}",
            f"{point.upper:g}",
            *(show(part) for part in (point.sensitivity, point.specificity, point.indeterminate)),
        ]
        for point in card.operating_points
    )
    header = ["point", "negative below", "positive from", "pneumonia called positive", "normal called negative"]
    return f"""## Operating points

Chosen on val{_promises(card)}; between the two limits the outcome is "indeterminate".

{table([*header, "indeterminate"], rows)}
{_types(card)}
{naming(card)}"""


def _promises(card: Card) -> str:
    """Say what the limits were chosen for."""
    kept = [
        f"{point.name}: at most {point.promise.missed:.1%} and {point.promise.alarmed:.1%}"
        for point in card.operating_points
        if point.promise
    ]
    if not kept:
        return ""
    return (
        " and on every plausible style of it, so that in none of them more than a stated share of pneumonia is\n"
        f"called negative, and of normals positive ({'; '.join(kept)})"
    )


def _types(card: Card) -> str:
    if card.type_margin >= 1:
        return (
            "Bacterial or viral is never named: with no lead of the one over the other is the name right in 95 % of\n"
            "cases, on val and in every plausible style. Coverage is 0; the report says that the type is undetermined."
        )
    return (
        "Bacterial or viral is named in a positive image when their shares of P(pneumonia) differ by\n"
        f"{card.type_margin:g} or more; how often that is, and how often it is right, stands below."
    )


def _provenance(card: Card) -> str:
    lines = ["## Provenance and licences\n"]
    for data in card.training_data:
        counts = ", ".join(f"{split} {count}" for split, count in data.images.items())
        lines.append(f"- Data: {data.name}. {data.source}. Licence: {data.licence}. Images: {counts}. {data.notes}")
    start = card.starting_weights
    lines.append(f"- Starting weights: {start.description} {start.licence}")
    epochs = card.recipe["epochs"]
    sizes = ", ".join(f"{size} px: {count}" for size, count in _count(row["size"] for row in epochs).items())
    lines.append(
        f"- Run: recipe `{card.recipe['recipe']['name']}`, {len(epochs)} epochs ({sizes}). The weights are the\n"
        f"  running average {_result(card)}."
    )
    trained_on = card.recipe["recipe"]["transform"]
    if trained_on != card.transform:
        lines.append(
            f"- It was trained on `{trained_on}` and sees `{card.transform}`, which was chosen after training."
        )
    planned = sum(stage["epochs"] for stage in card.recipe["recipe"]["stages"])
    if len(epochs) < planned:
        lines.append(
            f"- A budget of time shortened the recipe's {planned} epochs. How far such a run comes depends on the\n"
            "  machine's load: the same recipe gives other weights elsewhere."
        )
    recipe = json.dumps(card.recipe["recipe"], indent=1)
    return "\n".join(lines) + f"\n\nThe recipe:\n\n```json\n{recipe}\n```\n"


def _result(card: Card) -> str:
    """Say which average of a run became the checkpoint; see `training.fitting.recipes.Recipe.start_share`."""
    share = card.recipe["recipe"].get("start_share")
    if share is None:
        best = min(card.recipe["epochs"], key=lambda row: row["val_loss"])["epoch"]
        return f"after epoch {best}, which had the lowest val loss"
    return (
        f"at the end, with a share of {share:g} of the weights that the run began with (WiSE-FT); val chose the share\n"
        "  among 0, 0.3, 0.5, 0.7 and 1"
    )


def _count(values: Iterable[Any]) -> Mapping[Any, int]:
    counts: dict[Any, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return counts
