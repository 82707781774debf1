"""Sections of the model card that reviewers ask for and no run measures: labels, failures, monitoring, checklist."""

from __future__ import annotations

from training.card.markdown import table

REFERENCE_STANDARD = """## Reference standard and eligibility

What the collection's authors report (Kermany et al., Cell 172, 2018, methods): radiographs of routine care, drawn from
retrospective cohorts of children of one to five years of one hospital. Eligible was what passed a first screening:
scans that were of low quality or unreadable were taken out, how many is not said. Two expert physicians graded each
image before it was used; a third one checked the folder that was published as test set, and that folder alone. Nothing
is said of what they saw besides the image, of how often they agreed, of microbiology, or of how the type of a pneumonia
was established. Sex, age, device, dose, comorbidity and dates were not published, consent was waived for retrospective
data. No sample size was calculated, there or here.

What follows: the labels are a reading of the same image that the network sees, not a diagnosis at the bedside; normals
are healthy lungs, so that a child with another disease of the lungs has no place in them; the share of pneumonia is the
collection's and no hospital's. Nobody read the images again for this checkpoint.
"""

MONITORING = """## Monitoring plan

A network that was right on these children may be wrong elsewhere, and may become wrong when a machine is replaced. A
site that runs it should:

- Before it relies on anything: `auscult evaluate --data FOLDER --record NAME` on at least 100 radiographs of its own
  with pneumonia and 100 without, read by its radiologists, once with `--gate`. Where the interval of sensitivity or
  specificity lies below the card's: not to be used, or with `analysis.operating_point` and
  `analysis.expected_prevalence` reconsidered.
- Every week: the shares in `auscult_outcomes` (positive, negative, indeterminate) and in `auscult_out_of_scope` by
  reason. A share of positives or of images unlike the training images that doubles against the site's own first month,
  or an indeterminate one above twice the card's, asks for a look at the images.
- Every quarter, and after each new or serviced device, new processing or new version of the checkpoint: 50 results at
  random against the radiologists' reports, of these 20 negative ones; each missed pneumonia is looked at with its heat
  map.
- What calls for a stop: a missed pneumonia in more than one of twenty negatives, a device whose images are called
  positive twice as often as others', any result on a wrong patient. `analysis.checkpoint` back to the version before,
  or the workers stopped: images wait, none is lost (docs/howto/roll-back-a-checkpoint.md).
"""

_OPERATING, _STYLES = "Operating points", "Val in other machines' styles"
CHECKLIST: tuple[tuple[str, str, str], ...] = (
    ("CLAIM 2024, TRIPOD+AI, MI-CLAIM", "Intended use, users, place in the pathway", "Intended use"),
    ("CLAIM 2024, TRIPOD+AI", "Data sources, dates, setting", "Reference standard and eligibility"),
    ("CLAIM 2024, TRIPOD+AI", "Eligibility and exclusions", "Reference standard and eligibility"),
    (
        "CLAIM 2024, TRIPOD+AI, MI-CLAIM",
        "Reference standard: who read, how, agreement",
        "Reference standard and eligibility",
    ),
    ("CLAIM 2024", "De-identification, licence of the data", "Provenance and licences"),
    ("CLAIM 2024, TRIPOD+AI, MI-CLAIM", "Partitions, independent by patient", "Provenance and licences"),
    ("CLAIM 2024, TRIPOD+AI", "Sample size", "Reference standard and eligibility"),
    ("CLAIM 2024, MI-CLAIM", "Architecture, inputs, preprocessing", "Provenance and licences"),
    ("CLAIM 2024, MI-CLAIM", "Training: starting weights, augmentation, hyperparameters", "Provenance and licences"),
    ("CLAIM 2024, MI-CLAIM", "How the final model was chosen", "Provenance and licences"),
    ("CLAIM 2024, TRIPOD+AI", "Figures of merit with intervals", "Figures"),
    ("TRIPOD+AI", "Calibration", "Calibration"),
    ("TRIPOD+AI", "Thresholds and how they were chosen", _OPERATING),
    ("TRIPOD+AI", "Usefulness at other prevalences", "Predictive values"),
    ("CLAIM 2024", "Robustness and sensitivity analysis", "Changed copies of val"),
    ("CLAIM 2024, TRIPOD+AI", "Differences between devices and sites", "Machines"),
    ("CLAIM 2024, MI-CLAIM", "Shift between devices", _STYLES),
    ("TRIPOD+AI", "Fairness: subgroups", "Subgroups"),
    ("CLAIM 2024, MI-CLAIM", "Explanation of results, and whether it can be trusted", "Where the heat maps lie"),
    ("CLAIM 2024, MI-CLAIM", "Analysis of failures, with cases", "Failures, looked at"),
    ("CLAIM 2024, TRIPOD+AI", "External validation", "External figures"),
    ("MI-CLAIM", "Ablation, comparison with a baseline", "Versions, and parts left out"),
    ("CLAIM 2024, TRIPOD+AI", "Limitations, generalisability", "Limits"),
    ("TRIPOD+AI", "Monitoring and updating", "Monitoring plan"),
    ("MI-CLAIM, TRIPOD+AI", "Code, weights and commands to do it again", "Provenance and licences"),
)
"""Items of the checklists, in our words, and the section that answers each."""


def checklist(sections: frozenset[str]) -> str:
    """Return which section of the card answers which item; of a section that the card lacks it says so.

    Parameters
    ----------
    sections
        Titles of the sections that the card has.
    """
    rows = (
        [item, guideline, section if section in sections else f"not in this card ({section})"]
        for guideline, item, section in CHECKLIST
    )
    return f"""## Checklist

Where the card answers what CLAIM (2024 update), TRIPOD+AI (2024) and MI-CLAIM (2020) ask of a study.

{table(["what is asked", "by", "section"], rows)}"""
