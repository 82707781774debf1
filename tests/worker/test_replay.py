"""Replay: a result can be computed again, and what cannot be is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger import RecordedResult
from service.ledger.records import InstanceRecord
from service.vocabulary.errors import AuscultError, ObjectMissing
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.worker.conftest import Gateway
from worker.replay import Replay, replay


@pytest.fixture
def analysed(gateway: Any) -> Gateway:
    """Return a gateway that has analysed three images in one batch."""
    made: Gateway = gateway()
    for seed in (1, 2, 3):
        made.receive(chest(seed=seed))
    made.infer()
    return made


def again(made: Gateway, seed: int = 2) -> Replay:
    return replay(made.settings, made.ledger, made.store, chest(seed=seed).SOPInstanceUID)


@pytest.mark.proves(Invariant.RESULTS_CAN_BE_REPLAYED)
def test_on_the_same_machine_every_bit_is_the_same(analysed: Gateway) -> None:
    outcome = again(analysed)
    assert outcome.agrees
    assert (outcome.comparable, outcome.largest_difference) == ("bit for bit", 0.0)
    assert "bit for bit" in outcome.sentence()


def test_on_another_processor_only_a_tolerance_is_asked_for(analysed: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = analysed.ledger.results.latest(chest(seed=2).SOPInstanceUID)
    assert recorded is not None
    elsewhere = replace(recorded.prediction, runtime={**recorded.prediction.runtime, "processor": "another"})
    _substitute(analysed, monkeypatch, replace(recorded, prediction=elsewhere))
    outcome = again(analysed)
    assert (outcome.agrees, outcome.comparable) == (True, "tolerance")


def test_another_probability_is_another_result(analysed: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = analysed.ledger.results.latest(chest(seed=2).SOPInstanceUID)
    assert recorded is not None
    name, value = next(iter(recorded.prediction.probabilities.items()))
    changed = {**recorded.prediction.probabilities, name: value + 1e-6}
    _substitute(
        analysed, monkeypatch, replace(recorded, prediction=replace(recorded.prediction, probabilities=changed))
    )
    outcome = again(analysed)
    assert not outcome.agrees
    assert outcome.sentence().startswith("DIFFERENT")


def test_after_retention_it_says_that_the_pixels_are_gone(analysed: Gateway) -> None:
    with Session(analysed.ledger.engine) as session, session.begin():
        for row in session.scalars(select(InstanceRecord)):
            row.object_removed_at = analysed.clock()
            analysed.store.remove(row.object_key, 0)
    with pytest.raises(AuscultError, match="removed by retention at 2026-"):
        again(analysed)


def test_bytes_that_are_missing_without_a_mark_are_told(analysed: Gateway) -> None:
    for row in analysed.instances:
        analysed.store.remove(row.object_key, 0)
    with pytest.raises(ObjectMissing):
        again(analysed)


def test_an_instance_without_a_result_is_told(analysed: Gateway) -> None:
    analysed.receive(chest(seed=99))
    with pytest.raises(AuscultError, match="no result"):
        again(analysed, seed=99)


def test_another_checkpoint_is_named(analysed: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = analysed.ledger.results.latest(chest(seed=2).SOPInstanceUID)
    assert recorded is not None
    other = replace(recorded.prediction, checkpoint_digest="0" * 64)
    _substitute(analysed, monkeypatch, replace(recorded, prediction=other))
    with pytest.raises(AuscultError, match=r"analysis\.checkpoint"):
        again(analysed)


def _substitute(made: Gateway, monkeypatch: pytest.MonkeyPatch, recorded: RecordedResult) -> None:
    monkeypatch.setattr(made.ledger.results, "latest", lambda _uid: recorded)


def test_a_study_s_uid_is_answered_with_its_images(analysed: Gateway) -> None:
    source = chest(seed=2)
    with pytest.raises(AuscultError) as told:
        replay(analysed.settings, analysed.ledger, analysed.store, str(source.StudyInstanceUID))
    assert f"{source.StudyInstanceUID} is a study's UID; replay takes an image's" in str(told.value)
    assert str(source.SOPInstanceUID) in str(told.value)


def test_a_uid_that_nobody_knows_is_answered_with_where_they_are_listed(analysed: Gateway) -> None:
    with pytest.raises(AuscultError, match=r"knows no image 2\.25\.9; `auscult worklist --uids`"):
        replay(analysed.settings, analysed.ledger, analysed.store, "2.25.9")
