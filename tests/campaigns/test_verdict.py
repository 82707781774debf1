"""The verdict finds what it is there to find: each check against a fault that was planted."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.ledger.records import DeliveryRecord, EventRecord, InstanceRecord, ReportRecord
from service.vocabulary.states import DeliveryState, State
from tests.campaigns import record, verdict
from tests.campaigns.stream import ANALYSED, Image
from tests.invariants import Invariant

NOW = datetime(2026, 3, 1, tzinfo=UTC)
IMAGE = Image(Path("1.dcm"), "2.25.1", "2.25.2", State.DELIVERED, ANALYSED)
OBJECTS = [("SR", "2.25.3"), ("SR", "2.25.4"), ("OT", "2.25.5")]
BUILT = {"2.25.1": {uid for _, uid in OBJECTS}}


def instance(state: State = State.DELIVERED, **more: object) -> InstanceRecord:
    return InstanceRecord(id=1, sop_instance_uid="2.25.1", version=1, state=state.value, **more)


def history(*states: State) -> list[EventRecord]:
    return [EventRecord(id=number, instance_id=1, state=state.value, event="x") for number, state in enumerate(states)]


GOOD = (State.RECEIVED, State.CLAIMED, State.RECEIVED, State.CLAIMED, State.INFERRED, State.REPORTED, State.DELIVERED)


def test_an_image_that_is_lost_doubled_or_in_another_state_is_found() -> None:
    assert verdict.lost([IMAGE], {"2.25.1"}, [instance()]) == []
    assert verdict.lost([IMAGE], set(), []) == [], "nobody was told that it is here"
    assert verdict.lost([IMAGE], {"2.25.1"}, []) == ["1.dcm was acknowledged and has 0 versions in the ledger"]
    assert len(verdict.lost([IMAGE], {"2.25.1"}, [instance(), instance()])) == 1
    assert "is failed" in verdict.lost([IMAGE], {"2.25.1"}, [instance(State.FAILED)])[0]


@pytest.mark.proves(Invariant.ANY_FAULT_IN_ANY_ORDER)
@pytest.mark.parametrize(
    ("states", "found"),
    [
        (GOOD, None),
        ((*GOOD, State.DELIVERED), None),
        (GOOD[1:], "begins"),
        ((State.RECEIVED, State.INFERRED, State.REPORTED, State.DELIVERED), "from received to inferred"),
        (GOOD[:-1], "ends with reported"),
        ((), "begins"),
    ],
)
def test_a_history_that_none_may_have_is_found(states: tuple[State, ...], found: str | None) -> None:
    faults = verdict.illegal_steps([instance()], history(*states))
    assert faults == [] if found is None else found in str(faults)


def test_a_lease_a_due_report_and_an_open_delivery_are_found() -> None:
    confirmed = DeliveryRecord(id=1, state=DeliveryState.CONFIRMED, destination="pacs")
    assert verdict.stuck([instance()], [confirmed]) == []
    assert (
        len(verdict.stuck([instance(lease_owner="x"), instance(lease_until=NOW), instance(reports_due=True)], [])) == 3
    )
    open_ = [DeliveryRecord(id=1, state=state, destination="pacs") for state in DeliveryState]
    assert len(verdict.stuck([], open_)) == len(DeliveryState) - 2
    assert len(verdict.stuck([], [DeliveryRecord(id=1, state=DeliveryState.CONFIRMED, lease_owner="x")])) == 1


def test_a_second_result_a_second_report_and_a_missing_confirmation_are_found() -> None:
    report = ReportRecord(id=7, instance_id=1, kind="text_sr")
    delivery = DeliveryRecord(id=1, report_id=7, state=DeliveryState.CONFIRMED.value)
    once = [EventRecord(instance_id=1, event=event) for event in ("inferred", "confirmed", "delivered")]
    assert verdict.wrong_results([delivery], once, [report]) == []
    assert verdict.wrong_results([delivery], [*once, once[0]], [report]) == ["instance 1: 'inferred' 2 times"]
    assert (
        "2 reports"
        in verdict.wrong_results([delivery], once, [report, ReportRecord(id=8, instance_id=1, kind="text_sr")])[0]
    )
    assert "0 confirmations of 1" in verdict.wrong_results([delivery], [], [report])[0]


def test_a_missing_a_doubled_and_a_strange_report_are_found() -> None:
    def found(objects: list[tuple[str, str]], study: str = "2.25.2") -> list[str]:
        return verdict.wrong_reports([IMAGE], {"2.25.1"}, BUILT, {study: objects}, "the PACS")

    assert found(OBJECTS) == []
    assert len(found(OBJECTS[1:])) == 1
    assert len(found([*OBJECTS, ("SR", "2.25.6")])) == 2
    assert len(found([*OBJECTS[1:], ("SR", "2.25.6")])) == 1
    assert len(found(OBJECTS, "2.25.99")) == 2
    assert verdict.changed_bytes({"2.25.3": ["a", "a"], "2.25.4": ["a", "b"]}) == ["2.25.4 came with 2 contents"]


def test_bytes_without_a_row_rows_without_bytes_and_leftovers_are_found() -> None:
    assert verdict.store_faults({"a"}, [], {"a"}) == []
    assert verdict.store_faults({"a"}, [], {"a", "b"}) == ["object b of the ledger is not in the store"]
    assert verdict.store_faults({"a", "b"}, ["c"], {"a"}) == [
        "object b in the store is in no row",
        "c is half received",
    ]


def test_a_patient_and_a_traceback_in_the_output_are_found() -> None:
    assert verdict.told_too_much("12:00 INFO all is well") == []
    assert verdict.told_too_much("... VERSCHWIEGEN ...") == ["a process wrote 'Verschwiegen'"]
    trace = 'Traceback (most recent call last):\n  File "x", line 1\nKeyError: 1\n'
    assert verdict.told_too_much(f"all is well\n{trace}all is well\n") == [f"a process wrote: {trace.rstrip()}"]


def test_runs_are_added_up_for_the_document() -> None:
    one = record.Run(1, 10, 5, 12, 60.4, 0, {"C-FIND": 3}, {"infer killed": [1.0]}, [])
    text = record.markdown([one, replace(one, seed=2, seconds={"infer killed": [3.0, 2.0]}, ended=2)])
    assert "20 images, acknowledged after 24 attempts, and 10 faults" in text
    assert "60 s with seed 1, 60 s with seed 2" in text
    assert "6 objects were confirmed by C-FIND." in text
    assert "| infer killed | 3 | 2.0 | 3.0 |" in text
    assert "Nothing was lost" in text
    assert "Wrong: a lost image." in record.markdown([replace(one, wrong=["a lost image"])])
