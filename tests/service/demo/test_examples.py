"""What the demo forwards: radiographs as published, three of each class, and three studies that are out of scope."""

import csv
import hashlib
import re
from collections import Counter
from importlib.resources import files
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom import Dataset
from rich.console import Console

from models.checkpoint import Checkpoint, default_path
from service.cli.demo import results_table
from service.demo.examples import RADIOGRAPHS, example_instances
from service.demo.outcome import ImageOutcome
from service.scope import PopulationLimits, judge
from service.settings.sections import ScopeSettings
from service.vocabulary.facts import Reason
from service.vocabulary.states import Priority, State
from service.wording import reason_in_words
from tests.service.sample_site import ENGLISH, NO_PATTERN

FOLDER = Path(str(files("service.demo") / "radiographs"))
LISTED = re.findall(
    r"^\| (\S+\.jpeg) \| ([a-z ]+) \| ([0-9a-f]{64}) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
)


@pytest.fixture(scope="module")
def instances() -> dict[str, Dataset]:
    return dict(example_instances())


def test_each_file_has_its_label_and_digest_in_the_document_beside_it_and_there_is_no_other() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.jpeg")}
    assert {name: digest for name, _, digest in LISTED} == found
    assert set(RADIOGRAPHS.values()) == set(found)
    assert Counter(label for _, label, _ in LISTED) == {
        "normal": 3,
        "bacterial pneumonia": 3,
        "viral pneumonia": 3,
    }
    text = (FOLDER / "README.md").read_text()
    assert "Kermany" in text
    assert "https://creativecommons.org/licenses/by/4.0/" in text
    assert "https://doi.org/10.17632/rscbjbr9sj" in text


def test_they_are_originals_of_the_shared_collection_that_no_network_was_trained_on(shared: Path) -> None:
    with (shared / "data" / "fullres" / "manifest.csv").open(newline="") as lines:
        originals = {Path(row["file"]).name: row for row in csv.DictReader(lines)}
    with (shared / "data" / "cxr224" / "manifest.csv").open(newline="") as lines:
        trained = {row["group"] for row in csv.DictReader(lines) if row["split"] != "reserved"}
    for name, label, digest in LISTED:
        assert originals[name]["sha256"] == digest
        assert label.startswith(originals[name]["class"])
        assert originals[name]["group"] not in trained


@pytest.mark.parametrize("label", RADIOGRAPHS)
def test_the_pixels_are_those_of_the_file(instances: dict[str, Dataset], label: str) -> None:
    with Image.open(FOLDER / RADIOGRAPHS[label]) as picture:
        assert np.array_equal(instances[label].pixel_array, np.asarray(picture.convert("L")))


def test_radiographs_are_in_scope_and_each_other_study_is_not_for_a_reason_of_its_own(
    instances: dict[str, Dataset],
) -> None:
    card = Checkpoint.load(default_path()).card.population
    population = PopulationLimits(minimum_age_years=card.minimum_age_years, maximum_age_years=card.maximum_age_years)
    verdicts = {label: judge(dataset, population, ScopeSettings()) for label, dataset in instances.items()}
    reasons = {label: verdict.reason for label, verdict in verdicts.items() if not verdict.in_scope}
    assert reasons == {
        "CT capture": Reason.MODALITY,
        "Lateral": Reason.LATERAL_VIEW,
        "Adult": Reason.AGE_OUTSIDE,
    }
    assert all(verdict.flags == () for verdict in verdicts.values() if verdict.in_scope)


def test_the_order_of_sending_is_neither_that_of_the_labels_nor_that_of_urgency(instances: dict[str, Dataset]) -> None:
    labels = list(instances)
    assert labels != sorted(labels)
    suspected = [number for number, label in enumerate(labels) if label.startswith(("Bacterial", "Viral"))]
    assert suspected != list(range(min(suspected), max(suspected) + 1))
    assert suspected[0] > 0


@pytest.mark.parametrize("result", ["INDETERMINATE 58.9 %, neither suspected nor excluded", NO_PATTERN])
def test_the_table_fits_80_columns_whatever_the_results_say(result: str) -> None:
    sentences = [result, *(f"NOT ANALYSED: {reason_in_words(ENGLISH, reason.value)}" for reason in Reason)]
    longest = max(RADIOGRAPHS, key=len)
    outcomes = [
        ImageOutcome(f"2.25.{10**20 + number}", 1000, State.DELIVERED, sentence, Priority.ROUTINE, True, 1000, 1000.5)
        for number, sentence in enumerate(sentences)
    ]
    labels = {outcomes[0].study_instance_uid: longest}
    out = StringIO()
    Console(file=out, width=200, force_terminal=False).print(results_table(outcomes, labels))
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert len(lines) > len(outcomes)
    assert max(map(len, lines)) <= 80
