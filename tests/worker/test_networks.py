"""Two networks beside each other: which of them an image goes to, and what results and reports say of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.card import Card
from models.checkpoint import CARD, Checkpoint, write_card
from service.ledger.records import PredictionRecord
from service.settings import Settings
from service.vocabulary.states import State
from tests.checkpoints import renamed
from tests.phantoms import chest
from tests.worker.conftest import Gateway, network
from tests.worker.test_inference import text_of
from worker import checks
from worker.network import Network, load_network
from worker.networks import Networks, load_checkpoints, load_networks
from worker.replay import replay

ADULTS = {"minimum_age_years": 18, "maximum_age_years": 110, "description": "Adults of one clinic."}
LIMITS = "Made for adults of one clinic."
IGNORING = {"scope": {"unlike_training": "ignore"}}


def _changed(folder: Path, **population: Any) -> Path:
    """Write a checkpoint that computes as the shipped one does, for other people."""
    renamed(folder, "9.0.0")
    card: Card = Checkpoint.load(folder).card
    changed = replace(card.population, **population)
    card = replace(card, name="clinic-adults", population=changed, limits={"en": LIMITS})
    (folder / CARD).write_bytes(write_card(card))
    return folder


@pytest.fixture(scope="module")
def adults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _changed(tmp_path_factory.mktemp("checkpoints") / "adults", **ADULTS)


@pytest.fixture(scope="module")
def pair(adults: Path) -> tuple[Network, Network]:
    """Give the shipped network and the one for adults."""
    return network(), load_network(Settings().analysis, adults)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ({"age": "003Y"}, 0),
        ({"age": "040Y"}, 1),
        ({"age": "018Y"}, 1),
        ({"age": "017Y"}, 0),  # of neither: the first one's gate says why not
        ({"age": None, "birth_date": None}, 0),
        ({"age": "040Y", "ViewPosition": "LL"}, 0),
        ({"age": "040Y", "ViewPosition": ""}, 1),
        ({"age": "040Y", "body_part": "KNEE"}, 0),
    ],
    ids=str,
)
def test_an_image_goes_to_the_network_of_its_age_view_and_body_part(
    pair: tuple[Network, Network], header: dict[str, Any], chosen: int
) -> None:
    networks = Networks(pair, Settings().scope)
    assert networks.for_image(chest(**header)) is pair[chosen]


def test_pa_and_ap_are_two_views_where_a_card_names_one_of_them(tmp_path: Path) -> None:
    supine = load_network(Settings().analysis, _changed(tmp_path / "supine", views=("AP",)))
    upright = load_network(Settings().analysis, _changed(tmp_path / "upright", views=("PA",)))
    networks = Networks((supine, upright), Settings().scope)
    for view, wanted in (("AP", supine), ("PA", upright), ("", supine)):
        assert networks.for_image(chest(ViewPosition=view)) is wanted


def test_where_populations_overlap_the_first_one_named_wins(pair: tuple[Network, Network], tmp_path: Path) -> None:
    folder = _changed(tmp_path / "all", minimum_age_years=0, maximum_age_years=120)
    everybody, rules = load_network(Settings().analysis, folder), Settings().scope
    assert Networks((everybody, *pair), rules).for_image(chest(age="003Y")) is everybody
    assert Networks((*pair, everybody), rules).for_image(chest(age="003Y")) is pair[0]


def test_a_child_and_an_adult_in_one_batch_get_the_result_of_their_own_network(
    gateway: Any, adults: Path, pair: tuple[Network, Network]
) -> None:
    made: Gateway = gateway(analysis={"further_checkpoints": [adults]}, **IGNORING)
    for seed, age in enumerate(("003Y", "040Y", "012Y")):
        made.receive(chest(seed, patient_id=age, age=age, birth_date=None))
    worker = made.inference(*pair)
    try:
        worker.run_until_idle()
    finally:
        worker.close()
    assert [row.state for row in made.instances] == [State.INFERRED, State.INFERRED, State.OUT_OF_SCOPE]
    assert made.instances[2].reason == "age_outside"
    names = [row.checkpoint_name for row in made.rows(PredictionRecord)]
    assert names == [network().checkpoint.card.name, "clinic-adults"]


def test_reports_quote_the_limits_and_the_population_of_the_checkpoint_that_judged(
    gateway: Any, adults: Path, pair: tuple[Network, Network]
) -> None:
    made: Gateway = gateway(analysis={"further_checkpoints": [adults]}, **IGNORING)
    made.receive(chest(age="040Y", birth_date=None))
    worker = made.inference(*pair)
    try:
        worker.run_until_idle()
    finally:
        worker.close()
    made.build(*(item.checkpoint for item in pair))
    text = text_of(made, 0)
    assert f"Limits: {LIMITS}" in text
    assert "Validated on: Adults of one clinic." in text


def test_an_age_corrected_across_the_border_is_analysed_by_the_other_network(
    gateway: Any, adults: Path, pair: tuple[Network, Network]
) -> None:
    made: Gateway = gateway(analysis={"further_checkpoints": [adults]}, **IGNORING)
    for name, age in (("Wrong^Name", "003Y"), ("Right^Name", "040Y")):
        made.receive(chest(patient_name=name, age=age, birth_date=None))
        worker = made.inference(*pair)
        try:
            worker.run_until_idle()
        finally:
            worker.close()
    assert made.events.count("prediction reused") == 0
    assert [row.checkpoint_name for row in made.rows(PredictionRecord)][-1] == "clinic-adults"


def test_a_result_is_computed_again_by_the_network_that_gave_it(
    gateway: Any, adults: Path, pair: tuple[Network, Network]
) -> None:
    made: Gateway = gateway(analysis={"further_checkpoints": [adults]}, **IGNORING)
    source = chest(age="040Y", birth_date=None)
    made.receive(source)
    worker = made.inference(*pair)
    try:
        worker.run_until_idle()
    finally:
        worker.close()
    assert replay(made.settings, made.ledger, made.store, source.SOPInstanceUID).agrees


def test_the_settings_name_the_networks_and_doctor_lists_each_with_its_ages(adults: Path) -> None:
    settings = Settings(analysis={"further_checkpoints": [adults]})
    networks = load_networks(settings.analysis, settings.scope)
    assert [item.checkpoint.card.name for item in networks.members] == [network().checkpoint.card.name, "clinic-adults"]
    assert len(load_checkpoints(Settings().analysis)) == 1
    found = [line for line in checks.checkpoint(settings) if str(line[0]) == "checkpoint"]
    assert [good for _, good, _ in found] == [True, True]
    assert "ages 18 to 110" in str(found[1][2])


def test_doctor_names_the_checkpoint_that_cannot_be_used(tmp_path: Path) -> None:
    settings = Settings(analysis={"further_checkpoints": [tmp_path / "absent"]})
    found = [line for line in checks.checkpoint(settings) if str(line[0]) == "checkpoint"]
    assert [good for _, good, _ in found] == [True, False]
    assert "absent" in str(found[1][2])
