"""TRIPOD+AI, item by item; what was answered under CLAIM is answered here by the same places.

References
----------
Collins et al., TRIPOD+AI statement, BMJ 385:e078378, 2024
"""

from docs.tables.checklist import Item, checklist

_CARD = "docs/model-card.md"
_STANDARD = f"{_CARD}#Reference standard and eligibility"
_ORIGIN = f"{_CARD}#Provenance and licences"
_USE = f"{_CARD}#Intended use"
_FIGURES = f"{_CARD}#Figures"

TRIPOD: tuple[Item, ...] = (
    (
        "1",
        "title: development or evaluation, population, outcome",
        "yes: the card's head and population",
        (_CARD, f"{_CARD}#Population"),
    ),
    ("2", "abstract", "in part: the card's head", (_CARD,)),
    (
        "3",
        "context, purpose, known inequalities",
        "in part: nothing is known of inequalities in the collection",
        (_USE, f"{_CARD}#Limits"),
    ),
    ("4", "objectives", "yes", (_USE, f"{_CARD}#Operating points")),
    ("5", "sources and dates of the data", "in part: dates were not published", (_STANDARD, _ORIGIN)),
    ("6", "setting, eligibility, treatments", "in part: treatments were not published", (_STANDARD,)),
    (
        "7",
        "preparation of the data",
        "yes",
        (_ORIGIN, "tests/models/test_transforms.py::test_a_transform_keeps_its_meaning"),
    ),
    (
        "8",
        "the outcome, who assessed it, blinding",
        "in part: whether readers saw more than the image is not published",
        (_STANDARD,),
    ),
    ("9", "predictors", "yes: the pixels of one image, and nothing else", (_ORIGIN,)),
    ("10", "sample size", "no: none was calculated, and the card says so", (_STANDARD,)),
    ("11", "missing data", "yes: not analysed, or named as such", ("docs/reference/reasons.md",)),
    ("12", "analysis: partitions, model, measures, updating", "yes", (_ORIGIN, _FIGURES, f"{_CARD}#Calibration")),
    (
        "13",
        "class imbalance",
        "yes: losses are weighted; probabilities are shifted to a site's prevalence",
        (_ORIGIN, "tests/models/test_decision.py::test_a_shift_is_bayes_rule_with_numbers"),
    ),
    (
        "14",
        "fairness",
        "in part: by cluster; sex was not published, and age lies within five years",
        (f"{_CARD}#Subgroups", f"{_CARD}#Machines"),
    ),
    (
        "15",
        "output, thresholds and how they were chosen",
        "yes",
        (
            f"{_CARD}#Operating points",
            "tests/training/exporting/test_calibration.py::test_limits_come_from_the_worst_of_the_styles",
        ),
    ),
    (
        "16",
        "differences between training and evaluation data",
        "yes: the styles of other machines",
        (f"{_CARD}#Val in other machines' styles",),
    ),
    ("17", "ethical approval", "in part: as the collection's authors report", (_STANDARD,)),
    (
        "18",
        "funding, interests, protocol, registration, data, code",
        "in part: data and code; no funding is named, nothing is registered",
        ("LICENSE", "CONTRIBUTING.md", _ORIGIN),
    ),
    ("19", "involvement of patients and the public", "no: there was none", (_USE,)),
    (
        "20",
        "flow and characteristics of participants",
        "in part: numbers by split and class",
        (_ORIGIN, f"{_CARD}#Machines"),
    ),
    ("21", "participants and events in each analysis", "yes", (_FIGURES, f"{_CARD}#Operating points, set by set")),
    (
        "22",
        "the full model",
        "yes: weights and graph are shipped",
        ("tests/models/test_checkpoint.py::test_the_shipped_checkpoint_is_whole",),
    ),
    (
        "23",
        "performance with intervals, by group, and its spread",
        "yes",
        (_FIGURES, f"{_CARD}#Subgroups", f"{_CARD}#Calibration"),
    ),
    ("24", "updating", "yes: figures of versions side by side", (f"{_CARD}#Versions, and parts left out",)),
    ("25", "interpretation", "yes", (f"{_CARD}#Limits",)),
    ("26", "limitations", "yes", (f"{_CARD}#Limits",)),
    (
        "27",
        "poor input, users, next steps",
        "yes: what the gate does not let through, and what a person does",
        ("docs/reference/reasons.md", "docs/howto/agree-and-disagree.md", f"{_CARD}#Monitoring plan"),
    ),
)


def tripod() -> str:
    """Return the table of the items."""
    return checklist(TRIPOD)
