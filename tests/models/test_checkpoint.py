import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest

from models.checkpoint import CARD, GRAPH, WEIGHTS, Checkpoint, UnusableCheckpoint, file_digest, read_card, write_card


def _copy(checkpoint: Checkpoint, folder: Path) -> Path:
    """Copy card and graphs; the weights are linked, since no test here changes them in place."""
    for name in {CARD, *checkpoint.files} - {WEIGHTS}:
        shutil.copy(checkpoint.folder / name, folder)
    (folder / WEIGHTS).symlink_to(checkpoint.weights)
    return folder


def test_the_shipped_checkpoint_is_whole(checkpoint: Checkpoint) -> None:
    card = checkpoint.card
    assert card.classes == ("normal", "bacterial", "viral")
    assert set(card.findings.values()) == {"normal", "bacterial pneumonia", "viral pneumonia"}
    assert checkpoint.digest == file_digest(checkpoint.folder / CARD)
    assert {"val", "reserved", "fullres"} <= set(card.metrics)
    assert card.robustness[0].change == "none"


def test_the_shipped_checkpoint_beats_a_linear_probe_on_patients_it_never_saw(checkpoint: Checkpoint) -> None:
    reserved = checkpoint.card.metrics["reserved"]
    assert reserved["auc"].low > 0.9
    assert reserved["pneumonia accuracy"].value > 0.9


def test_the_shipped_checkpoint_names_licences_and_population(checkpoint: Checkpoint) -> None:
    card = checkpoint.card
    assert (card.population.minimum_age_years, card.population.maximum_age_years) == (1, 5)
    assert card.population.body_part == "CHEST"
    assert card.training_data[0].licence == "CC BY 4.0"
    assert "states no licence" in card.starting_weights.licence


def test_a_card_survives_being_written_and_read(checkpoint: Checkpoint) -> None:
    assert read_card(write_card(checkpoint.card)) == checkpoint.card


def test_the_graph_holds_no_weights_of_its_own(checkpoint: Checkpoint) -> None:
    assert checkpoint.graph.stat().st_size < 100_000
    assert checkpoint.weights.stat().st_size < 48_000_000


def test_the_weights_are_float16_except_for_vectors(checkpoint: Checkpoint) -> None:
    with checkpoint.weights.open("rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    kinds = {(len(entry["shape"]) > 1, entry["dtype"]) for name, entry in header.items() if name != "__metadata__"}
    assert kinds == {(True, "F16"), (False, "F32")}


@pytest.mark.parametrize("name", [CARD, GRAPH, WEIGHTS])
def test_an_absent_file_is_named(checkpoint: Checkpoint, tmp_path: Path, name: str) -> None:
    (_copy(checkpoint, tmp_path) / name).unlink()
    with pytest.raises(UnusableCheckpoint, match=name):
        Checkpoint.load(tmp_path)


def test_a_changed_graph_is_found_out(checkpoint: Checkpoint, tmp_path: Path) -> None:
    graph = _copy(checkpoint, tmp_path) / GRAPH
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    Checkpoint.load(tmp_path, verify=False)
    with pytest.raises(UnusableCheckpoint, match=GRAPH):
        Checkpoint.load(tmp_path)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("findings", "viral"), "measles", "findings.viral"),
        (("findings",), {"normal": "normal"}, "findings must name each class"),
        (("findings", "normal"), "viral pneumonia", "at least one normal"),
        (("calibration", "temperature"), 0.0, "positive temperature"),
        (("calibration", "bias"), [0.0], "one bias for each class"),
        (("calibration", "prevalence"), 1.0, "prevalence"),
        (("transform",), "letterbox-512-v9", "letterbox-512-v9"),
        (("operating_points",), [], "rule-in, balanced and rule-out"),
        (("operating_points", 0, "lower"), 0.999, "lower <= upper"),
        (("type_margin",), 1.5, "type_margin"),
        (("cam_scale",), 0.0, "cam_scale"),
        (("classes",), "normal", "classes"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused_with_the_field(
    checkpoint: Checkpoint, path: tuple[str | int, ...], value: object, words: str
) -> None:
    content: Any = json.loads(write_card(checkpoint.card))
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(UnusableCheckpoint, match=words):
        read_card(json.dumps(content).encode())


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(UnusableCheckpoint, match="whole file"):
        read_card(b"weights")
