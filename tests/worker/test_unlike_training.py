"""An image unlike the training images, and 8-bit arithmetic: through the worker, with a checkpoint that has both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.precision import Int8
from models.predictor import Output, Predictor
from models.unlike import UnlikeTraining
from service.settings import Settings
from service.texts import texts_in
from service.vocabulary.errors import SettingsInvalid
from service.vocabulary.facts import Flag, Reason
from service.vocabulary.language import Language
from service.vocabulary.states import State
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.worker.conftest import Gateway, network
from worker.network import Network, load_network
from worker.replay import replay

WORDS = "unlike the images that the network was validated on"

IN_A_LUNG = np.zeros((7, 7), dtype=np.float32)
IN_A_LUNG[3, 5] = 0.8
AT_A_MARKER = np.roll(IN_A_LUNG, (-3, 1), axis=(0, 1))


class _Far(Predictor):
    """The shipped network, sure of pneumonia, which finds every image at one distance and its evidence at one place."""

    def __init__(self, distance: float, cam: NDArray[np.float32]) -> None:
        known = network().checkpoint
        card = replace(known.card, unlike_training=UnlikeTraining(("layer4",), 2.0, 0.01, (), ()))
        self.checkpoint = replace(known, card=card)
        self._distance, self._cam = distance, cam

    def predict(self, images: Any) -> list[Output]:
        outputs = network().predictor.predict(images)
        sure = {"normal": 0.001, "bacterial": 0.5, "viral": 0.499}
        return [replace(output, probabilities=sure, distance=self._distance, cam=self._cam) for output in outputs]

    def runtime_fingerprint(self) -> dict[str, str | int]:
        return network().predictor.runtime_fingerprint()


def infer(made: Gateway, distance: float = 2.5, cam: NDArray[np.float32] = IN_A_LUNG) -> None:
    worker = made.inference(Network(_Far(distance, cam), "balanced", None))
    try:
        worker.run_until_idle()
    finally:
        worker.close()


@pytest.mark.proves(Invariant.UNLIKE_GETS_NO_PROBABILITY)
def test_an_image_beyond_the_limit_is_not_analysed_and_its_report_says_so(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1}, scope={})
    made.receive(chest())
    infer(made)
    (row,) = made.instances
    assert (row.state, row.reason) == (State.OUT_OF_SCOPE, Reason.UNLIKE_TRAINING)
    assert made.ledger.results.latest(chest().SOPInstanceUID) is None
    assert made.ledger.inspection.status().out_of_scope == {"unlike_training": 1}
    made.build()
    from tests.worker.test_inference import text_of

    assert f"NOT ANALYSED: {WORDS}" in text_of(made, 0)
    assert {report.kind for report in made.reports} == {"text_sr"}


def test_an_image_within_the_limit_is_analysed_without_a_doubt(gateway: Any) -> None:
    made: Gateway = gateway(scope={})
    made.receive(chest())
    infer(made, 2.0)
    assert [(row.state, row.flag_codes) for row in made.instances] == [(State.INFERRED, [])]


def test_activation_beside_the_lungs_is_a_doubt_that_the_report_says(gateway: Any) -> None:
    made: Gateway = gateway(scope={})
    made.receive(chest())
    infer(made, 2.0, AT_A_MARKER)
    (row,) = made.instances
    assert (row.state, row.flag_codes) == (State.INFERRED, [Flag.ACTIVATION_OFF_LUNGS])
    made.build()
    from tests.worker.test_inference import text_of

    assert f"Note: {texts_in(Language.ENGLISH).of(Flag.ACTIVATION_OFF_LUNGS)}" in text_of(made, 0)


def test_an_image_that_is_upside_down_is_not_analysed_and_its_report_says_so(gateway: Any) -> None:
    made: Gateway = gateway(scope={})
    source = chest()
    source.PixelData = np.ascontiguousarray(source.pixel_array[::-1]).tobytes()
    made.receive(source)
    infer(made, 2.0)
    assert [(row.state, row.reason) for row in made.instances] == [(State.OUT_OF_SCOPE, Reason.UPSIDE_DOWN)]


@pytest.mark.parametrize(("rule", "flags"), [("analyse", [Flag.UPSIDE_DOWN]), ("ignore", [])])
def test_a_site_may_choose_a_doubt_of_what_is_upside_down(gateway: Any, rule: str, flags: list[Flag]) -> None:
    made: Gateway = gateway(scope={"upside_down": rule})
    source = chest()
    source.PixelData = np.ascontiguousarray(source.pixel_array[::-1]).tobytes()
    made.receive(source)
    infer(made, 2.0)
    (row,) = made.instances
    assert row.state == State.INFERRED
    assert [flag for flag in row.flag_codes or () if flag == Flag.UPSIDE_DOWN] == flags


@pytest.mark.parametrize(("rule", "flags"), [("analyse", [Flag.UNLIKE_TRAINING]), ("ignore", [])])
def test_a_site_may_choose_a_doubt_or_not_to_look(gateway: Any, rule: str, flags: list[Flag]) -> None:
    made: Gateway = gateway(scope={"unlike_training": rule})
    made.receive(chest())
    infer(made)
    assert [(row.state, row.flag_codes) for row in made.instances] == [(State.INFERRED, flags)]


def test_the_doubt_stays_when_an_identity_is_corrected(gateway: Any) -> None:
    made: Gateway = gateway(scope={"unlike_training": "analyse"})
    for name in ("Wrong^Name", "Right^Name"):
        made.receive(chest(patient_name=name))
        infer(made)
    assert made.events.count("prediction reused") == 1
    assert made.instances[-1].flag_codes == [Flag.UNLIKE_TRAINING]


@pytest.mark.proves(Invariant.UNLIKE_GETS_NO_PROBABILITY)
def test_a_corrected_identity_brings_no_result_back_that_a_stricter_rule_refuses(gateway: Any) -> None:
    made: Gateway = gateway(scope={"unlike_training": "analyse"})
    made.receive(chest(patient_name="Wrong^Name"))
    infer(made)
    stricter = replace(made, settings=made.settings.model_copy(update={"scope": Settings().scope}))
    stricter.receive(chest(patient_name="Right^Name"))
    infer(stricter)
    assert [row.state for row in made.instances] == [State.SUPERSEDED, State.OUT_OF_SCOPE]


def test_an_eight_bit_result_is_computed_again_bit_for_bit_whatever_the_setting_is_by_now(
    gateway: Any, graded: Path
) -> None:
    eight = {"checkpoint": graded, "precision": "int8"}
    try:
        running = load_network(Settings(analysis=eight).analysis)
    except SettingsInvalid as error:
        pytest.skip(f"not on this processor: {error}")
    made: Gateway = gateway(analysis={"checkpoint": graded})
    made.receive(chest())
    worker = made.inference(running)
    try:
        worker.run_until_idle()
    finally:
        worker.close()
    recorded = made.ledger.results.latest(chest().SOPInstanceUID)
    assert recorded is not None
    assert recorded.prediction.runtime["precision"] == "int8"
    outcome = replay(made.settings, made.ledger, made.store, chest().SOPInstanceUID)
    assert (outcome.agrees, outcome.comparable, outcome.largest_difference) == (True, "bit for bit", 0.0)


def test_int8_without_an_offer_or_on_a_gpu_is_refused_with_what_to_do(tmp_path: Path, graded: Path) -> None:
    from models.checkpoint import CARD, Checkpoint, write_card

    card = Checkpoint.load(graded, verify=False).card
    for name in card.digests:
        (tmp_path / name).symlink_to(graded / name)
    (tmp_path / CARD).write_bytes(write_card(replace(card, int8=Int8(8, {}))))
    with pytest.raises(SettingsInvalid, match="no measured graph for int8; set it to `float32`"):
        load_network(Settings(analysis={"checkpoint": tmp_path, "precision": "int8"}).analysis)
    with pytest.raises(SettingsInvalid, match=r"analysis\.device is 'cuda:0'"):
        load_network(Settings(analysis={"checkpoint": graded, "precision": "int8", "device": "cuda:0"}).analysis)
