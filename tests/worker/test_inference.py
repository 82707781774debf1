"""Inference: what becomes of each claimed image, and what a version of a known instance is."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless
from sqlalchemy.exc import DataError

from models.predictor import Predictor
from service.ledger import SentObject, Which
from service.ledger.admission import Registered
from service.ledger.records import PredictionRecord
from service.operations.wake import Task
from service.vocabulary.errors import ContradictoryIdentity, LeaseLost, LedgerUnavailable
from service.vocabulary.facts import Flag, Reason, Supersession
from service.vocabulary.orders import HeardMessage, HeardOrder, OrderedPatient, OrderEvent
from service.vocabulary.states import DeliveryState, Priority, State
from tests.invariants import Invariant
from tests.phantoms import chest, transcoded
from tests.worker.conftest import Gateway, network
from worker.lease_renewal import LeaseRenewal
from worker.report_source import require_same_patient


def states(made: Gateway) -> list[str]:
    return [row.state for row in made.instances]


def text_of(made: Gateway, number: int) -> str:
    """Return the lines of a text report, each behind its name as viewers print it."""
    report = [row for row in made.reports if row.kind == "text_sr"][number]
    dataset = dcmread(BytesIO(made.store.read(report.object_key)))
    texts: list[str] = []

    def walk(items: Any) -> None:
        for item in items:
            if "TextValue" in item:
                texts.append(f"{item.ConceptNameCodeSequence[0].CodeMeaning}: {item.TextValue}")
            walk(item.get("ContentSequence", []))

    walk(dataset.ContentSequence)
    return "\n".join(texts)


def test_an_image_in_scope_gets_a_prediction_with_everything_needed_to_compute_it_again(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    assert made.infer() == 1
    assert states(made) == [State.INFERRED]
    assert made.waker.woken == [Task.DELIVER]
    result = made.ledger.results.latest(chest().SOPInstanceUID)
    assert result is not None
    prediction = result.prediction
    assert sum(prediction.probabilities.values()) == pytest.approx(1)
    assert prediction.checkpoint_digest == network().checkpoint.digest
    assert len(prediction.input_digest) == 64
    assert prediction.runtime["batch_size"] == 1
    assert prediction.cam.shape == (7, 7)
    assert 0 <= prediction.cam.min() <= prediction.cam.max() <= 1


def test_a_batch_is_the_most_urgent_images_first(gateway: Any) -> None:
    made: Gateway = gateway(analysis={"batch_size": 2})
    for seed in range(3):
        made.receive(chest(seed=seed))
        made.clock.turn(minutes=1)
    made.receive(chest(seed=9), Priority.STAT)
    claims = made.ledger.analysis.claim("w", 2, timedelta(minutes=1), 3)
    assert [claim.sop_instance_uid for claim in claims] == [
        chest(seed=9).SOPInstanceUID,
        chest(seed=0).SOPInstanceUID,
    ]


def test_a_lateral_view_is_not_analysed_and_the_study_is_told_once(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    made.receive(chest(seed=1, view_position="LL"))
    made.receive(chest(seed=2, view_position="LL", study_instance_uid=chest(seed=1).StudyInstanceUID))
    made.infer()
    made.build()
    assert states(made) == [State.OUT_OF_SCOPE] * 2
    assert [row.reason for row in made.instances] == ["lateral_view"] * 2
    assert len(made.deliveries) == 1
    assert "NOT ANALYSED: lateral view" in text_of(made, 0)


def test_a_blank_image_is_not_analysed(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest(values=np.full((300, 300), 0.5)))
    made.infer()
    assert (made.instances[0].state, made.instances[0].reason) == (State.OUT_OF_SCOPE, "blank")


@pytest.mark.parametrize("change", [{"PixelData": b"\0\1" * 100}, {"PixelData": None}])
def test_pixels_that_cannot_be_decoded_are_reported_as_not_analysed(gateway: Any, change: dict[str, Any]) -> None:
    made: Gateway = gateway()
    made.receive(chest(**change))
    made.infer()
    made.build()
    assert states(made) == [State.OUT_OF_SCOPE]
    assert "NOT ANALYSED: " in text_of(made, 0)


@pytest.mark.parametrize("transfer_syntax_uid", [JPEGLSLossless, JPEG2000Lossless])
def test_the_same_instance_in_another_syntax_with_other_private_tags_is_nothing_new(
    gateway: Any, transfer_syntax_uid: str
) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    made.infer()
    made.build()
    again = transcoded(chest(), transfer_syntax_uid)
    again.private_block(0x0011, "SOMEBODY", create=True).add_new(0x01, "LO", "else")
    assert made.receive(again).registered is Registered.NEW_VERSION
    made.infer()
    made.build()
    assert states(made) == [State.REPORTED, State.DUPLICATE]
    assert len(made.reports) == 3


def test_a_corrected_identity_reuses_the_prediction_and_supersedes_the_reports(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    made.receive(chest())
    made.infer()
    made.build()
    made.ledger.outbox.claim("c", "p", DeliveryState.PENDING, 16, timedelta(minutes=1))  # tried: the peer may hold them
    made.receive(chest(patient_name="Right^Name"))
    made.infer()
    made.build()
    assert states(made) == [State.SUPERSEDED, State.REPORTED]
    assert made.events.count("inferred") == 1
    assert made.events.count("prediction reused") == 1
    first, second = (row for row in made.reports if row.kind == "text_sr")
    dataset = dcmread(BytesIO(made.store.read(second.object_key)))
    named = dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert named.ReferencedSOPInstanceUID == first.sop_instance_uid
    assert dataset.PatientName == "Right^Name"
    assert text_of(made, 1).startswith("Supersedes: Supersedes the AI report of")


def test_a_report_supersedes_one_whose_bytes_retention_has_removed(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    made.receive(chest())
    made.infer()
    made.build()
    for state in (DeliveryState.PENDING, DeliveryState.SENT):
        for due in made.ledger.outbox.claim("c", "p", state, 16, timedelta(minutes=1)):
            if state is DeliveryState.PENDING:
                made.ledger.outbox.save_sent([SentObject(due, 0, confirm_at=made.clock())])
            else:
                made.ledger.outbox.save_confirmed([due])
    made.clock.now += timedelta(days=2)
    for key in (key for marked in made.ledger.retention.mark(made.clock(), 10, lambda _: None) for key in marked.keys):
        assert made.ledger.retention.remove(key, partial(made.store.remove, key, 0)) > 0
    made.receive(chest(patient_name="Right^Name"))
    made.infer()
    made.build()

    assert states(made) == [State.SUPERSEDED, State.REPORTED]
    assert len(made.reports) == 6
    for kind in ("text_sr", "measurement_sr"):
        first, second = (row for row in made.reports if row.kind == kind)
        dataset = dcmread(BytesIO(made.store.read(second.object_key)))
        series = dataset.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
        named = series.ReferencedSOPSequence[0]
        assert series.SeriesInstanceUID == first.series_instance_uid
        assert named.ReferencedSOPInstanceUID == first.sop_instance_uid
        assert named.ReferencedSOPClassUID == first.sop_class_uid
    assert text_of(made, 1).startswith("Supersedes: Supersedes an earlier AI report")


def test_reports_that_were_not_sent_yet_are_withdrawn_when_they_are_superseded(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    made.receive(chest())
    made.infer()
    made.build()
    made.receive(chest(patient_name="Right^Name"))
    made.infer()
    made.build()
    assert [row.state for row in made.deliveries] == ["withdrawn"] * 3 + ["pending"] * 3
    assert "Supersedes" not in text_of(made, 1)  # nobody has seen what it would supersede


def test_an_identity_that_is_edited_and_edited_back_never_gives_one_uid_two_contents(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    for name in ("Name^A", "Name^B", "Name^A"):
        made.receive(chest(patient_name=name))
        made.infer()
        made.build()
        made.ledger.outbox.claim("c", "p", DeliveryState.PENDING, 16, timedelta(minutes=1))
    assert states(made) == [State.SUPERSEDED, State.SUPERSEDED, State.REPORTED]
    assert len({row.sop_instance_uid for row in made.reports}) == 9


def test_other_pixels_under_the_same_uid_are_a_new_version(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    made.infer()
    other = chest(seed=5, sop_instance_uid=chest().SOPInstanceUID, study_instance_uid=chest().StudyInstanceUID)
    made.receive(other)
    made.infer()
    assert states(made) == [State.SUPERSEDED, State.INFERRED]
    assert made.instances[1].supersession == Supersession.IMAGE_REPLACED
    assert made.events.count("inferred") == 2


def test_another_patients_image_under_the_same_uid_is_held_until_a_person_releases_it(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    made.infer()
    other = chest(
        seed=5,
        sop_instance_uid=chest().SOPInstanceUID,
        study_instance_uid=chest().StudyInstanceUID,
        patient_id="SOMEBODY-ELSE",
    )
    made.receive(other)
    made.infer()
    assert states(made) == [State.INFERRED, State.HELD]
    assert made.studies[0].held_reason is not None
    assert made.build() == 0
    assert made.ledger.remedies.release(made.studies[0].study_instance_uid)
    made.infer()
    assert states(made) == [State.SUPERSEDED, State.INFERRED]


def test_two_patients_under_one_study_are_held_and_let_go_once_they_agree(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest(seed=1))
    wrong = {"seed": 2, "study_instance_uid": chest(seed=1).StudyInstanceUID}
    assert made.receive(chest(**wrong, patient_id="SOMEBODY-ELSE")).held
    made.infer()
    assert made.build() == 0
    made.receive(chest(**wrong))
    made.infer()
    assert made.studies[0].held_reason is None
    assert made.build() == 2


def test_a_persons_word_on_two_patients_stands_until_another_image_contradicts_it(gateway: Any) -> None:
    made: Gateway = gateway()
    study = chest(seed=1).StudyInstanceUID
    made.receive(chest(seed=1))
    made.receive(chest(seed=2, study_instance_uid=study, patient_id="SOMEBODY-ELSE"))
    assert made.ledger.remedies.release(study)
    made.infer()
    assert made.studies[0].held_reason is None
    assert made.build() == 2
    made.clock.turn(minutes=1)
    assert made.receive(chest(seed=3, study_instance_uid=study, patient_id="A-THIRD")).held


def test_a_failing_image_is_tried_again_and_then_given_up_and_reported(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    monkeypatch.setattr(Predictor, "predict", _fail)
    for _ in range(3):
        made.infer()
        made.clock.turn(minutes=1)
    assert (made.instances[0].state, made.instances[0].reason) == (State.FAILED, "analysis_failed")
    made.build()
    assert "NOT ANALYSED: the analysis failed" in text_of(made, 0)
    monkeypatch.undo()
    assert made.ledger.remedies.retry() == 1
    made.infer()
    assert made.instances[0].state == State.INFERRED


def test_a_correction_that_cannot_be_analysed_stops_the_reports_under_the_old_identity(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    made.receive(chest())
    made.infer()
    made.build()
    corrected = chest(seed=5, sop_instance_uid=chest().SOPInstanceUID, study_instance_uid=chest().StudyInstanceUID)
    made.receive(corrected)
    monkeypatch.setattr(Predictor, "predict", _fail)
    for _ in range(3):
        made.infer()
        made.clock.turn(minutes=1)
    assert states(made) == [State.SUPERSEDED, State.FAILED]
    assert {row.state for row in made.deliveries} == {DeliveryState.WITHDRAWN}


def test_a_repeated_image_that_failed_and_is_retried_is_analysed_and_not_passed_over_as_a_duplicate(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    made.infer()
    made.receive(transcoded(chest(), JPEGLSLossless))
    for _ in range(3):
        made.ledger.analysis.claim("dies", 1, timedelta(seconds=10), 3)
        made.clock.turn(seconds=11)
    made.ledger.analysis.claim("next", 1, timedelta(seconds=10), 3)
    assert states(made) == [State.SUPERSEDED, State.FAILED]
    made.ledger.remedies.retry()
    made.infer()
    assert states(made) == [State.SUPERSEDED, State.INFERRED]


def test_reports_that_keep_killing_their_builder_are_given_up(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    made.infer()
    for _ in range(3):
        assert made.ledger.reporting.claim("dies", 1, timedelta(seconds=10), 3)
        made.clock.turn(seconds=11)
    assert made.ledger.reporting.claim("next", 1, timedelta(seconds=10), 3) == []
    assert (made.instances[0].state, made.instances[0].reason) == (State.FAILED, "report_failed")
    assert made.ledger.remedies.retry() == 1
    assert made.build() == 1


def test_how_often_reports_are_attempted_is_a_setting(gateway: Any) -> None:
    made: Gateway = gateway(analysis={"maximum_attempts": 5})
    made.receive(chest())
    made.infer()
    for _ in range(4):
        assert made.ledger.reporting.claim("dies", 1, timedelta(seconds=10), 5)
        made.clock.turn(seconds=11)
    assert made.build() == 1


def test_no_report_is_built_for_a_patient_that_the_ledger_does_not_know(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest(patient_id="ONE"))
    made.infer()
    due = made.ledger.reporting.claim("b", 1, timedelta(seconds=10), 3)[0]
    with pytest.raises(ContradictoryIdentity):
        require_same_patient(chest(patient_id="OTHER"), due.identity)
    require_same_patient(chest(patient_id="ONE "), due.identity)


def test_one_image_that_spoils_a_batch_fails_alone(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Gateway = gateway()
    for seed, rows in ((1, 320), (2, 333), (3, 320)):
        made.receive(chest(seed=seed, rows=rows))
    predict = Predictor.predict

    def picky(self: Predictor, images: Any) -> Any:
        return _fail() if any(image.shape[0] == 333 for image in images) else predict(self, images)

    monkeypatch.setattr(Predictor, "predict", picky)
    made.infer()
    assert states(made) == [State.INFERRED, State.RECEIVED, State.INFERRED]


@pytest.mark.proves(Invariant.LOST_LEASE_CHANGES_NOTHING)
def test_a_worker_that_lost_its_lease_does_not_overwrite_the_other_ones_result(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    claim = made.ledger.analysis.claim("slow", 1, timedelta(seconds=10), 3)[0]
    made.clock.turn(seconds=11)
    made.infer()
    with pytest.raises(LeaseLost):
        made.ledger.results.save_out_of_scope(claim, Reason.LATERAL_VIEW, is_chest=True, pixel_digest=None, flags=())
    assert states(made) == [State.INFERRED]


def test_an_image_that_keeps_killing_workers_is_given_up(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest())
    for _ in range(3):
        assert made.ledger.analysis.claim("dies", 1, timedelta(seconds=10), 3)
        made.clock.turn(seconds=11)
    assert made.ledger.analysis.claim("next", 1, timedelta(seconds=10), 3) == []
    assert made.instances[0].state == State.FAILED
    assert made.build() == 1


def test_a_stopping_worker_gives_the_next_batch_back_unharmed(gateway: Any) -> None:
    made: Gateway = gateway(analysis={"batch_size": 1})
    for seed in (1, 2, 3):
        made.receive(chest(seed=seed))
    worker = made.inference()
    settle = worker._settle

    def settle_and_stop(batch: Any) -> int:
        made.stop.set()
        return settle(batch)

    worker._settle = settle_and_stop  # type: ignore[method-assign]
    worker.run_until_idle()
    worker.close()
    assert states(made) == [State.INFERRED, State.RECEIVED, State.RECEIVED]
    assert [row.attempts for row in made.instances[1:]] == [0, 0]


def test_an_error_between_two_batches_leaves_no_image_held_for_ever(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Gateway = gateway(analysis={"batch_size": 1})
    for seed in (1, 2):
        made.receive(chest(seed=seed))
    worker = made.inference()
    claim, calls = made.ledger.analysis.claim, []

    def failing_the_second_time(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise LedgerUnavailable
        return claim(*arguments)

    monkeypatch.setattr(made.ledger.analysis, "claim", failing_the_second_time)
    with pytest.raises(LedgerUnavailable):
        worker.run_until_idle()
    assert not worker._renewal._claims, "the first image's lease would be renewed for ever"
    made.clock.turn(hours=1)
    worker.run_until_idle()
    worker.close()
    assert states(made) == [State.INFERRED, State.INFERRED]


def test_a_result_that_the_ledger_refuses_fails_its_image_alone(gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made: Gateway = gateway()
    refused, kept = chest(seed=1), chest(seed=2)
    for image in (refused, kept):
        made.receive(image)
    save = made.ledger.results.save_prediction

    def refusing(claim: Any, *arguments: Any, **named: Any) -> None:
        if claim.sop_instance_uid == refused.SOPInstanceUID:
            raise DataError("INSERT", {}, ValueError("not a number"))
        save(claim, *arguments, **named)

    monkeypatch.setattr(made.ledger.results, "save_prediction", refusing)
    made.infer()
    assert states(made) == [State.RECEIVED, State.INFERRED]


def test_the_heartbeat_outlives_an_error_that_nobody_expected() -> None:
    beats = threading.Semaphore(0)

    def renew(_: Any) -> None:
        beats.release()
        raise DataError("UPDATE", {}, ValueError("unexpected"))

    renewal = LeaseRenewal(renew, timedelta(milliseconds=1))
    renewal.add([SimpleNamespace(id=1)])  # type: ignore[list-item]
    assert all(beats.acquire(timeout=5) for _ in range(2))
    renewal.close()


@pytest.mark.proves(Invariant.PRIORITY_ONLY_RISES)
def test_a_positive_result_raises_the_study_and_nothing_lowers_it(gateway: Any) -> None:
    made: Gateway = gateway()
    made.receive(chest(), Priority.STAT)
    made.infer()
    assert made.studies[0].priority == Priority.STAT


def _fail(*_: Any) -> Any:
    raise RuntimeError("a fault of the network")


def newer_network() -> Any:
    """Return the shipped network under another checkpoint's name."""
    newer = Mock(wraps=network())
    newer.predictor, newer.population = network().predictor, network().population
    newer.checkpoint = SimpleNamespace(digest="f" * 64)
    newer.prediction = lambda output: replace(
        network().prediction(output), checkpoint_digest="f" * 64, checkpoint_version="9.0.0"
    )
    return newer


def test_workers_with_two_checkpoints_serve_one_ledger_and_each_result_names_its_own(gateway: Any) -> None:
    made: Gateway = gateway(analysis={"batch_size": 1})
    for seed in range(4):
        made.receive(chest(seed=seed))
    workers = [made.inference(owner="old"), made.inference(newer_network(), owner="new")]
    pool = ThreadPoolExecutor(2)
    settled = sum(pool.map(lambda worker: worker.run_until_idle(), workers))
    pool.shutdown()
    for worker in workers:
        worker.close()
    made.build()

    assert settled == 4
    assert states(made) == [State.REPORTED] * 4
    for row in made.rows(PredictionRecord):
        assert (row.checkpoint_digest == "f" * 64) == (row.checkpoint_version == "9.0.0")
    assert made.events.count("inferred") == 4
    assert len(made.reports) == 12


@pytest.mark.proves(Invariant.CHECKPOINT_RESENDS_NOTHING)
def test_another_checkpoint_changes_nothing_until_a_person_asks_for_it(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    for seed in range(2):
        made.receive(chest(seed=seed))
    made.infer()
    made.build()
    made.ledger.outbox.claim("c", "p", DeliveryState.PENDING, 16, timedelta(minutes=1))  # tried: the peer may hold them
    newer = newer_network()

    def infer_with_the_newer() -> int:
        worker = made.inference(newer)
        try:
            return worker.run_until_idle()
        finally:
            worker.close()

    made.receive(chest(seed=0))  # the PACS sends one of them again
    assert infer_with_the_newer() == 0
    made.build()
    assert len(made.reports) == 6
    asked = Which(uid=str(chest(seed=0).SOPInstanceUID))
    assert made.ledger.remedies.reanalyse(asked, lambda _: False) == 0
    assert made.ledger.remedies.reanalyse(asked, lambda _: True) == 1
    assert made.ledger.remedies.reanalyse(asked, lambda _: True) == 0  # it is under way
    assert infer_with_the_newer() == 1
    made.build()

    assert states(made) == [State.SUPERSEDED, State.REPORTED, State.REPORTED]
    assert [row.state for row in made.deliveries] == ["withdrawn"] * 3 + ["pending"] * 6  # the other's stay as they are
    assert "Supersedes the AI report of" in text_of(made, 2)
    assert len({row.sop_instance_uid for row in made.reports}) == 9
    back = Which(checkpoint_version="9.0.0")
    assert made.ledger.remedies.reanalyse(back, lambda _: True) == 1
    made.infer()
    assert states(made) == [State.SUPERSEDED, State.REPORTED, State.SUPERSEDED, State.INFERRED]
    assert made.ledger.remedies.reanalyse(back, lambda _: True) == 0


def test_a_result_that_is_not_reported_yet_is_analysed_again_too(gateway: Any) -> None:
    made: Gateway = gateway({"name": "p", "ae_title": "P", "host": "127.0.0.1", "port": 1})
    made.receive(chest())
    worker = made.inference(newer_network())
    try:
        worker.run_until_idle()
    finally:
        worker.close()
    (due,) = made.ledger.reporting.claim("builder", 10, timedelta(minutes=1))  # under way as the person asks
    assert made.ledger.remedies.reanalyse(Which(checkpoint_version="9.0.0"), lambda _: True) == 1
    made.infer()

    assert states(made) == [State.SUPERSEDED, State.INFERRED]
    with pytest.raises(LeaseLost):
        made.ledger.reporting.save(due, [])
    made.build()
    assert states(made) == [State.SUPERSEDED, State.REPORTED]
    assert len(made.reports) == 3


def test_the_birth_date_of_an_order_decides_where_the_image_tells_no_age(gateway: Any) -> None:
    made: Gateway = gateway(scope={"unknown_age": "skip", "unlike_training": "ignore"})
    patient = OrderedPatient((("P-1", ()),), (), "20210203")
    order = HeardOrder(OrderEvent.ORDERED, patient, accession_number="A-1")
    made.ledger.orders.hear(HeardMessage("RIS|", "M1", "0" * 64, (order,)))
    for seed, accession in ((0, "A-1"), (1, "A-2")):
        made.receive(chest(seed, patient_id="P-1", accession_number=accession, age=None, birth_date=None))
    made.infer()
    ordered, unordered = made.instances
    assert (ordered.state, ordered.flag_codes) == (State.INFERRED, [Flag.AGE_BY_ORDER])
    assert (unordered.state, unordered.reason) == (State.OUT_OF_SCOPE, Reason.AGE_UNKNOWN)
