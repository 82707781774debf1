"""Sections of the model card on what the network looks at and holds out against: changes, shortcuts, labels, doors."""

from __future__ import annotations

from models.card import Card
from models.measurements import EvidenceInLungs, LabelNoise
from training.card.markdown import number, show, table

_FIGURES = ("accuracy", "pneumonia accuracy", "auc", "sensitivity", "specificity")


def robustness(card: Card) -> str:
    """Return the table of changed copies."""
    if not card.robustness:
        return ""
    rows = (
        [
            row.change,
            row.strength,
            *map(number, (row.accuracy, row.pneumonia_accuracy, row.auc, row.sensitivity, row.specificity)),
        ]
        for row in card.robustness
    )
    return f"""## Changed copies of val

One change at a time, before the transform; figures as above, but not cross-fitted. Strengths: greys are from 0 to 1,
blur is in pixels of 224, rotation in degrees, borders, corners and crop in fractions of the side, reduction in pixels a
side, JPEG quality from 1 to 100, local contrast as CLAHE's clip limit.

{table(["change", "strength", *_FIGURES], rows)}"""


def shortcuts(card: Card) -> str:
    """Return the section on covered copies."""
    found = card.measurements.shortcuts
    if not found:
        return ""
    rows = ([row.seen, *(show(row.metrics.get(figure)) for figure in _FIGURES)] for row in found)
    return f"""## Shortcuts

Copies of val of which a part is covered with the mean grey of the rest: what the network can tell from what is left.
Covered images look like none that it was trained on, so a fall in specificity or sensitivity says less than the AUC:
where the AUC of "all but the lung field" stays high, there is information outside the lungs, and the network uses it
when it has nothing else. The outline alone shows how much the very shape of the field gives away.

{table(["seen", *_FIGURES], rows)}"""


def failures(card: Card) -> str:
    """Return the images of val that the balanced point calls wrong, and what somebody saw in them."""
    rows = card.measurements.failures
    if not rows:
        return ""
    body = ([row.name, row.label, row.outcome, f"{row.p_pneumonia:.3f}", row.seen or "not looked at"] for row in rows)
    return f"""## Failures, looked at

Every image of val with pneumonia that the balanced point calls negative, and every normal that it calls positive, the
surest first. Calibrated on all of val, so that there may be one or two fewer than in the cross-fitted tables. What was
seen was written by somebody who builds the software and is no radiologist.

{table(["image", "label", "called", "P(pneumonia)", "what is seen"], body)}"""


def label_noise(card: Card) -> str:
    """Return the section on how far the labels bacterial and viral can be reached."""
    found = card.measurements.label_noise
    if not found:
        return ""
    rows = (row for noise in found for row in _noise_rows(noise))
    return f"""## Where the rest goes: bacterial or viral

Pneumonia alone; does the file name's label say bacterial or viral? Judged by models that never saw the image's patient
(logistic regression and a support vector machine on features of a network that knows ImageNet only, five folds of
patients), and on val by this checkpoint. Confident learning (Northcutt, Jiang and Chuang 2021) counts the images that
the first model confidently gives to the other class; agreement asks how many labels must be right for two models to
agree with them and with each other as often as they do (a lower bound, since models err alike). Both take what these
images cannot show for noise: they say how far images of this kind lead, not which label is wrong.

{table(["images", "what", "share"], rows)}"""


def doors(card: Card) -> str:
    """Return the section on the same picture at full size through DICOM and reduced in a file."""
    found = card.measurements.doors
    if found is None:
        return ""
    return f"""## Both doors

{found.images} original pictures, wrapped as CR at full size, beside the collection's own 224-pixel copies: the outcome
at the balanced point is the same for {show(found.same_outcome)}. P(pneumonia) differs by {found.median_difference:.3f}
in the median, by {found.largest_difference:.3f} at most. The copies were reduced and compressed by others, in a way
that `{card.transform}` comes near to but does not repeat.
"""


def heat_maps(card: Card) -> str:
    """Return the section on where the heat maps lie."""
    found = card.measurements.lung_field
    if found is None:
        return ""
    return f"""## Where the heat maps lie

The lung field is the product's own (service/thorax): a mixture of two greys with an atlas as prior, an approximation,
without the heart and what it hides. In {found.atlas_share:.1%} of the images a lung was not found, and is the
atlas's. Of 120 outlines that were looked at, about one in ten reaches into the armpit or leaves a part of a lung out.

Over {found.images} pneumonia images that are called so, {show(found.evidence)} of the positive activation lies inside
the field, which covers {show(found.area)} of the image: {show(found.concentration)} times as much as a map without any
sense of place. The peak lies inside in {show(found.peak)}. A cell of the map is 32 pixels wide and reaches beyond the
field's edge.
{_judged_as_the_product_does(found)}"""


def _judged_as_the_product_does(found: EvidenceInLungs) -> str:
    if found.near_peak is None:
        return ""
    return f"""
As the product judges it, half a cell beyond the edge being inside still: the peak lies in the lungs in
{show(found.near_peak)}; where it does not, the report says so as a doubt. It lies in the map's first row or outermost
columns, where side markers and stamps stand, in {show(found.rim_peak)}. {show(found.outlined)} have a region in the
lung field; from {show(found.withheld)} the map is withheld, for most of it lies outside.
"""


def _noise_rows(noise: LabelNoise) -> list[list[str]]:
    where = f"{noise.name} ({noise.images})"
    rows = [[where, f"{model} says what the label says", show(found)] for model, found in noise.models.items()]
    rows += [[where, f"{pair} agree", show(found)] for pair, found in noise.agreement.items()]
    rows.append([where, "every model contradicts the label", show(noise.contradicted)])
    rows.append([where, "labels that are right, by confident learning", show(noise.ceiling)])
    rows.append([where, "labels that are right, by agreement", show(noise.ceiling_by_agreement)])
    (kept_bacterial, to_viral), (to_bacterial, kept_viral) = noise.joint
    moved = f"{to_viral:.3f} and {to_bacterial:.3f} (kept: {kept_bacterial:.3f} and {kept_viral:.3f})"
    rows.append([where, "labelled bacterial but viral, and the reverse, of all", moved])
    return rows
