"""The Checklist for Artificial Intelligence in Medical Imaging, item by item.

References
----------
Tejani et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update, Radiology: Artificial
Intelligence 6(4), 2024
"""

from docs.tables.checklist import Item, checklist

_CARD = "docs/model-card.md"
_STANDARD = f"{_CARD}#Reference standard and eligibility"
_ORIGIN = f"{_CARD}#Provenance and licences"
_LIMITS = f"{_CARD}#Limits"
_FIGURES = f"{_CARD}#Figures"
_DATASET = "tests/training/fitting/test_dataset.py"
_METRICS = "tests/training/measuring/test_metrics.py"
_PROMISES = "tests/training/measuring/test_promises.py"
_MAPS = "tests/models/test_runtimes.py::test_the_heat_map_is_grad_cam_of_the_log_odds_of_pneumonia"

CLAIM: tuple[Item, ...] = (
    ("1", "what kind of AI it is", "yes: a convolutional network, fine-tuned", (_CARD, "README.md")),
    ("2", "a summary of design, methods, results, conclusions", "in part: the card's head; no abstract", (_CARD,)),
    ("3", "background, intended use and role", "yes", (f"{_CARD}#Intended use", "README.md")),
    (
        "4",
        "aims and hypotheses",
        "yes: the promises that its limits must keep",
        (f"{_CARD}#Operating points", _PROMISES),
    ),
    ("5", "prospective or retrospective", "yes: retrospective", (_STANDARD,)),
    ("6", "the goal of the study", "yes: ordering a worklist, for research", (f"{_CARD}#Intended use",)),
    ("7", "data sources", "yes: one public collection of one hospital", (_ORIGIN,)),
    (
        "8",
        "inclusion and exclusion",
        "in part: how many its authors left out is not published; what the gate leaves out is counted",
        (
            _STANDARD,
            "tests/training/test_cli.py::test_evaluate_behind_the_gate_leaves_out_what_the_product_would_not_analyse",
        ),
    ),
    (
        "9",
        "preprocessing",
        "yes: one transform, the same in training and in use",
        (_ORIGIN, "tests/models/test_transforms.py::test_a_transform_keeps_its_meaning"),
    ),
    ("10", "how a part of the data was selected", "yes: by the published folders and by patient", (_ORIGIN,)),
    (
        "11",
        "de-identification",
        "in part: by the collection's authors, who describe it; what a site exports is tested",
        (_STANDARD, "tests/service/test_feedback_export.py::test_nothing_in_the_folder_tells_whose_an_image_is"),
    ),
    (
        "12",
        "missing data",
        "yes: an image without age or view is not analysed, or is named as such",
        ("docs/reference/reasons.md", "tests/service/report/test_report_sentences.py"),
    ),
    (
        "13",
        "how images were acquired",
        "no: devices and dose were not published; clusters stand for them",
        (_STANDARD, f"{_CARD}#Machines"),
    ),
    ("14", "how the reference standard was obtained", "yes, as far as it was published", (_STANDARD,)),
    ("15", "why this reference standard", "yes: it is the collection's; what follows from that is said", (_STANDARD,)),
    ("16", "who annotated", "yes, as far as it was published: two physicians, a third for one folder", (_STANDARD,)),
    ("17", "how the test set was annotated", "in part: as the rest; nobody read it again", (_STANDARD,)),
    (
        "18",
        "variability between and within readers",
        "no: not published; the noise of the labels can be estimated by models",
        (_STANDARD, "tests/training/measuring/test_label_noise.py"),
    ),
    (
        "19",
        "how data were assigned to partitions",
        "yes",
        (_ORIGIN, f"{_DATASET}::test_a_manifest_names_class_group_and_split"),
    ),
    (
        "20",
        "the level at which partitions are disjoint",
        "yes: patients, as far as names tell",
        (_ORIGIN, f"{_DATASET}::test_without_a_split_each_patient_is_drawn_to_one_side_and_stays_there"),
    ),
    ("21", "the intended sample size", "no: none was calculated, and the card says so", (_STANDARD,)),
    (
        "22",
        "the model, its inputs and outputs",
        "yes",
        (_CARD, "tests/models/test_classifier.py::test_logits_and_maps_come_from_one_forward_pass"),
    ),
    ("23", "software, frameworks, versions", "yes: every version is locked", ("docs/adr/0003-hashed-requirements.md",)),
    (
        "24",
        "initialisation",
        "yes",
        (_ORIGIN, "tests/models/test_classifier.py::test_a_run_can_start_from_all_weights_of_another_checkpoint"),
    ),
    (
        "25",
        "training: augmentation, hyperparameters, how many",
        "yes: the recipe is in the card",
        (_ORIGIN, "tests/training/fitting/test_recipes.py"),
    ),
    (
        "26",
        "how the final model was chosen",
        "yes: by val, its styles and copies; never by reserved",
        (_ORIGIN, _LIMITS),
    ),
    ("27", "ensembles", "yes: none; a running average of weights is said", (_ORIGIN,)),
    ("28", "the measures", "yes", (_FIGURES, f"{_METRICS}::test_the_figures_are_those_of_scikit_learn")),
    (
        "29",
        "uncertainty",
        "yes: intervals by bootstrap over patients",
        (_FIGURES, f"{_METRICS}::test_intervals_hold_the_value_and_widen_when_images_belong_to_few_patients"),
    ),
    (
        "30",
        "robustness and sensitivity",
        "yes: changed copies, other machines' styles",
        (f"{_CARD}#Changed copies of val", f"{_PROMISES}::test_borders_and_small_crops_make_no_disease_of_normals"),
    ),
    (
        "31",
        "explanation of results, and its validation",
        "yes: where the maps lie is measured",
        (f"{_CARD}#Where the heat maps lie", _MAPS),
    ),
    ("32", "evaluation on internal data", "yes: val and reserved", (_FIGURES,)),
    (
        "33",
        "testing on external data",
        "in part: none is shipped; a site measures its own, and the card takes it",
        (
            f"{_CARD}#External figures",
            "docs/howto/accept-at-your-site.md",
            "tests/training/acceptance/test_acceptance.py",
        ),
    ),
    ("34", "registration of a clinical trial", "no: there is no trial", (f"{_CARD}#Intended use",)),
    (
        "35",
        "numbers included and excluded",
        "in part: included by split and class; excluded was not published",
        (_ORIGIN, _STANDARD),
    ),
    (
        "36",
        "characteristics of cases in each partition",
        "in part: class and cluster; age and sex were not published",
        (f"{_CARD}#Machines", f"{_CARD}#Subgroups"),
    ),
    (
        "37",
        "performance with uncertainty, on all partitions",
        "yes",
        (_FIGURES, f"{_CARD}#Operating points, set by set"),
    ),
    (
        "38",
        "diagnostic performance and its precision",
        "yes: predictive values at several prevalences too",
        (
            f"{_CARD}#Predictive values",
            "tests/training/measuring/test_outcomes.py::test_predictive_values_worked_out_by_hand",
        ),
    ),
    (
        "39",
        "analysis of what was wrong",
        "yes: each wrong image is listed, and described where a card has that section",
        ("tests/training/measuring/test_failures.py::test_what_is_called_wrong_is_listed_with_what_was_seen",),
    ),
    ("40", "limitations", "yes", (_LIMITS,)),
    (
        "41",
        "implications for practice",
        "yes",
        (f"{_CARD}#Intended use", f"{_CARD}#Monitoring plan", "docs/howto/go-live-with-shadow.md"),
    ),
    ("42", "the full protocol or more detail", "yes", ("CONTRIBUTING.md", "docs/papers.md")),
    (
        "43",
        "availability of software, model and data",
        "yes: code and weights are here; the data are public, under CC BY 4.0",
        (
            "LICENSE",
            _ORIGIN,
            "tests/models/test_checkpoint.py::test_the_shipped_checkpoint_names_licences_and_population",
        ),
    ),
    ("44", "funding", "no: the project names none", ("README.md",)),
)


def claim() -> str:
    """Return the table of the items."""
    return checklist(CLAIM)
