"""Claims, leases, failures, versions: what the analysis part must never get wrong."""

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
from tests.service.sample_site import LEASE, SampleSite, prediction


def _save(site: SampleSite, claim: object, p_pneumonia: float = 0.9) -> None:
    site.ledger.results.save_prediction(
        claim,  # type: ignore[arg-type]
        prediction(p_pneumonia),
        pixel_digest="p",
        flags=(),
        priority=Priority.URGENT,
    )


def test_the_same_bytes_again_change_nothing(site: SampleSite) -> None:
    dataset = site.receive(sop_instance_uid="2.25.77", study_instance_uid="2.25.78")
    site._seed -= 1

    site.receive(sop_instance_uid="2.25.77", study_instance_uid="2.25.78")

    history = site.ledger.inspection.history(str(dataset.SOPInstanceUID))
    assert history is not None
    assert len(history.versions) == 1
    assert [event.event for event in history.events] == ["received", "received again"]


@pytest.mark.proves(Invariant.LEDGER_IS_TRUTH)
def test_an_image_is_claimed_once_while_its_lease_lasts(site: SampleSite) -> None:
    site.receive()
    site.claim()

    assert site.ledger.analysis.claim("another", 10, LEASE, 3) == []


def test_a_worker_whose_lease_expired_cannot_save(site: SampleSite) -> None:
    site.receive()
    late = site.claim()
    site.now += LEASE + timedelta(seconds=1)
    (taken,) = site.ledger.analysis.claim("another", 1, LEASE, 3)

    with pytest.raises(LeaseLost):
        _save(site, late)
    _save(site, taken)
    assert site.ledger.inspection.status().states == {State.INFERRED: 1}


def test_an_expired_lease_is_a_step_of_the_history(site: SampleSite) -> None:
    dataset = site.receive()
    site.claim()
    site.now += LEASE + timedelta(seconds=1)
    site.claim()

    history = site.ledger.inspection.history(str(dataset.SOPInstanceUID))
    assert history is not None
    assert [(event.event, event.state) for event in history.events] == [
        ("received", State.RECEIVED),
        ("claimed", State.CLAIMED),
        ("lease expired", State.RECEIVED),
        ("claimed", State.CLAIMED),
    ]


def test_an_image_that_costs_every_worker_its_lease_is_given_up(site: SampleSite) -> None:
    site.receive()
    for _ in range(2):
        assert site.ledger.analysis.claim("worker", 1, LEASE, 2)
        site.now += LEASE + timedelta(seconds=1)

    assert site.ledger.analysis.claim("worker", 1, LEASE, 2) == []
    assert site.ledger.inspection.status().failures == {"analysis_failed": 1}


def test_a_later_version_waits_for_the_earlier_one(site: SampleSite) -> None:
    first = site.receive()
    claim = site.claim()
    site.receive(sop_instance_uid=str(first.SOPInstanceUID), study_instance_uid=str(first.StudyInstanceUID))
    assert site.ledger.analysis.claim("another", 10, LEASE, 3) == []

    _save(site, claim)

    (later,) = site.ledger.analysis.claim("another", 10, LEASE, 3)
    assert later.version == 2
    assert later.predecessor is not None


def test_a_version_that_is_let_go_after_a_later_one_was_settled_replaces_nothing(site: SampleSite) -> None:
    first = site.receive(patient_id="A")
    uids: dict[str, Any] = {"sop_instance_uid": str(first.SOPInstanceUID)}
    uids["study_instance_uid"] = str(first.StudyInstanceUID)
    site.infer(0.4)
    site.receive(patient_id="B", patient_name="Bell^Bea", **uids)
    claim = site.claim()
    site.ledger.results.save_held(claim, claim.object_key)
    site.receive(patient_id="A", **uids)
    site.infer(0.9, superseding=Supersession.IMAGE_REPLACED)
    assert site.ledger.remedies.release(uids["study_instance_uid"])

    assert site.ledger.analysis.claim("worker", 1, LEASE, 3) == []

    history = site.ledger.inspection.history(uids["study_instance_uid"])
    assert history is not None
    assert [version.state for version in history.versions] == [State.SUPERSEDED, State.SUPERSEDED, State.INFERRED]


def test_the_most_urgent_image_is_claimed_first(site: SampleSite) -> None:
    site.receive()
    site.now += timedelta(minutes=5)
    urgent = site.receive(order=Priority.URGENT, source=PrioritySource.C_STORE)

    assert site.claim().sop_instance_uid == urgent.SOPInstanceUID


def test_a_later_rise_never_moves_a_study_back_even_when_the_boosts_were_lowered(site: SampleSite) -> None:
    dataset = site.receive(order=Priority.URGENT, source=PrioritySource.C_STORE)
    before = site.ledger.reading_list.page(1).studies[0].reading_rank_at
    lowered = Ledger(site.engine, ReadingOrder(timedelta(minutes=10), timedelta(minutes=20)), clock=lambda: site.now)
    site.ledger = lowered

    site.receive(order=Priority.STAT, source=PrioritySource.C_STORE, study_instance_uid=str(dataset.StudyInstanceUID))

    (study,) = lowered.reading_list.page(1).studies
    assert study.priority is Priority.STAT
    assert study.reading_rank_at <= before


def test_a_lower_priority_changes_neither_rank_nor_source(site: SampleSite) -> None:
    dataset = site.receive(order=Priority.STAT, source=PrioritySource.AE_TITLE)
    before = site.ledger.reading_list.page(1).studies[0]

    site.receive(
        order=Priority.ROUTINE, source=PrioritySource.DEFAULT, study_instance_uid=str(dataset.StudyInstanceUID)
    )

    after = site.ledger.reading_list.page(1).studies[0]
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
