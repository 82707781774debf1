"""Claims, leases, failures, versions: what the analysis desk must never get wrong."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ledger import Ledger
from service.vocabulary.errors import IllegalTransition, LeaseLost
from service.vocabulary.facts import PrioritySource, Supersession
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import TRANSITIONS, Priority, State, require_legal
from tests.invariants import Invariant
from tests.service.ward import LEASE, Ward, prediction


def _save(ward: Ward, claim: object, p_pneumonia: float = 0.9) -> None:
    ward.ledger.analysis.save_prediction(
        claim,  # type: ignore[arg-type]
        prediction(p_pneumonia),
        pixel_digest="p",
        flags=(),
        priority=Priority.URGENT,
    )


def test_the_same_bytes_again_change_nothing(ward: Ward) -> None:
    dataset = ward.receive(sop_instance_uid="2.25.77", study_instance_uid="2.25.78")
    ward._seed -= 1

    ward.receive(sop_instance_uid="2.25.77", study_instance_uid="2.25.78")

    dossier = ward.ledger.inspection.dossier(str(dataset.SOPInstanceUID))
    assert dossier is not None
    assert len(dossier.versions) == 1
    assert [event.event for event in dossier.events] == ["received", "received again"]


@pytest.mark.proves(Invariant.LEDGER_IS_TRUTH)
def test_an_image_is_claimed_once_while_its_lease_lasts(ward: Ward) -> None:
    ward.receive()
    ward.claim()

    assert ward.ledger.analysis.claim("another", 10, LEASE, 3) == []


def test_a_worker_whose_lease_expired_cannot_save(ward: Ward) -> None:
    ward.receive()
    late = ward.claim()
    ward.now += LEASE + timedelta(seconds=1)
    (taken,) = ward.ledger.analysis.claim("another", 1, LEASE, 3)

    with pytest.raises(LeaseLost):
        _save(ward, late)
    _save(ward, taken)
    assert ward.ledger.inspection.status().states == {State.INFERRED: 1}


def test_an_expired_lease_is_a_step_of_the_history(ward: Ward) -> None:
    dataset = ward.receive()
    ward.claim()
    ward.now += LEASE + timedelta(seconds=1)
    ward.claim()

    dossier = ward.ledger.inspection.dossier(str(dataset.SOPInstanceUID))
    assert dossier is not None
    assert [(event.event, event.state) for event in dossier.events] == [
        ("received", State.RECEIVED),
        ("claimed", State.CLAIMED),
        ("lease expired", State.RECEIVED),
        ("claimed", State.CLAIMED),
    ]


def test_an_image_that_costs_every_worker_its_lease_is_given_up(ward: Ward) -> None:
    ward.receive()
    for _ in range(2):
        assert ward.ledger.analysis.claim("worker", 1, LEASE, 2)
        ward.now += LEASE + timedelta(seconds=1)

    assert ward.ledger.analysis.claim("worker", 1, LEASE, 2) == []
    assert ward.ledger.inspection.status().failures == {"analysis_failed": 1}


def test_a_later_version_waits_for_the_earlier_one(ward: Ward) -> None:
    first = ward.receive()
    claim = ward.claim()
    ward.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=str(first.StudyInstanceUID))
    assert ward.ledger.analysis.claim("another", 10, LEASE, 3) == []

    _save(ward, claim)

    (later,) = ward.ledger.analysis.claim("another", 10, LEASE, 3)
    assert later.version == 2
    assert later.predecessor is not None


def test_a_version_that_is_let_go_after_a_later_one_was_settled_replaces_nothing(ward: Ward) -> None:
    first = ward.receive(patient_id="A")
    uids: dict[str, Any] = {"sop_instance_uid": str(first.SOPInstanceUID)}
    uids["study_instance_uid"] = str(first.StudyInstanceUID)
    ward.infer(0.4)
    ward.receive(patient_id="B", patient_name="Bell^Bea", **uids)
    claim = ward.claim()
    ward.ledger.analysis.save_held(claim, claim.object_key)
    ward.receive(patient_id="A", **uids)
    ward.infer(0.9, superseding=Supersession.IMAGE_REPLACED)
    assert ward.ledger.remedies.release(uids["study_instance_uid"])

    assert ward.ledger.analysis.claim("worker", 1, LEASE, 3) == []

    dossier = ward.ledger.inspection.dossier(uids["study_instance_uid"])
    assert dossier is not None
    assert [version.state for version in dossier.versions] == [State.SUPERSEDED, State.SUPERSEDED, State.INFERRED]


def test_the_most_urgent_image_is_claimed_first(ward: Ward) -> None:
    ward.receive()
    ward.now += timedelta(minutes=5)
    urgent = ward.receive(order=Priority.URGENT, source=PrioritySource.C_STORE)

    assert ward.claim().sop_instance_uid == urgent.SOPInstanceUID


def test_a_later_rise_never_moves_a_study_back_even_when_the_boosts_were_lowered(ward: Ward) -> None:
    dataset = ward.receive(order=Priority.URGENT, source=PrioritySource.C_STORE)
    before = ward.ledger.inspection.worklist(1)[0].reading_rank_at
    lowered = Ledger(ward.engine, ReadingOrder(timedelta(minutes=10), timedelta(minutes=20)), clock=lambda: ward.now)
    ward.ledger = lowered

    ward.receive(order=Priority.STAT, source=PrioritySource.C_STORE, study_instance_uid=str(dataset.StudyInstanceUID))

    (study,) = lowered.inspection.worklist(1)
    assert study.priority is Priority.STAT
    assert study.reading_rank_at <= before


def test_a_lower_priority_changes_neither_rank_nor_source(ward: Ward) -> None:
    dataset = ward.receive(order=Priority.STAT, source=PrioritySource.AE_TITLE)
    before = ward.ledger.inspection.worklist(1)[0]

    ward.receive(
        order=Priority.ROUTINE, source=PrioritySource.DEFAULT, study_instance_uid=str(dataset.StudyInstanceUID)
    )

    after = ward.ledger.inspection.worklist(1)[0]
    assert (after.priority, after.priority_source, after.reading_rank_at) == (
        before.priority,
        PrioritySource.AE_TITLE,
        before.reading_rank_at,
    )


@pytest.mark.proves(Invariant.LEGAL_STEPS)
@given(before=st.sampled_from(State), after=st.sampled_from(State))
def test_a_step_is_legal_only_when_the_table_holds_it(before: State, after: State) -> None:
    if after in TRANSITIONS[before]:
        require_legal(before, after)
    else:
        with pytest.raises(IllegalTransition):
            require_legal(before, after)
