"""What a RIS says of orders: used once, for the one study that it is of, and for no other patient's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from sqlalchemy import select

from service.ledger import ArrivalKind
from service.ledger.database import writing
from service.ledger.order_matching import problem_of
from service.ledger.order_records import AccessionRecord
from service.ledger.reading_list import Wanted
from service.ledger.records import StudyRecord
from service.ledger.rows import hold
from service.ledger.views import StudyView
from service.vocabulary.facts import CloseSource, EventKind, Hold, PrioritySource, Shelf
from service.vocabulary.figures import TO_READ
from service.vocabulary.identity import Identity
from service.vocabulary.orders import (
    HeardMessage,
    HeardOrder,
    OrderedPatient,
    OrderEvent,
    OrderProblem,
    OrderState,
    accession_of,
)
from service.vocabulary.shadow import ShadowSource
from service.vocabulary.states import Priority
from service.wording import detail_in_words, order_in_words
from tests.invariants import Invariant
from tests.service.sample_site import ENGLISH, SampleSite

LAM = {"patient_id": "P-1", "patient_name": "Lam^Anh", "birth_date": date(1980, 1, 2)}
_numbers = count(1)


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty ledger on either database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    site = SampleSite(tmp_path / "data", url)
    yield site
    site.close()


def order(event: OrderEvent = OrderEvent.ORDERED, **changes: Any) -> HeardOrder:
    patient = OrderedPatient((("P-1", ()),), ("Lam^Anh",), "19800102")
    return HeardOrder(event, patient, **{"accession_number": "A-1", **changes})


def message(*orders: HeardOrder, number: int | None = None) -> HeardMessage:
    number = next(_numbers) if number is None else number
    return HeardMessage("RIS|HOSP", f"M{number}", f"{number:064x}", orders)


def of(patient: OrderedPatient, **changes: Any) -> HeardOrder:
    return replace(order(**changes), patient=patient)


def receive(site: SampleSite, **attributes: Any) -> Dataset:
    return site.receive(**{**LAM, "accession_number": "A-1", **attributes})


def study(site: SampleSite, image: Dataset) -> StudyView:
    found = site.ledger.inspection.history(str(image.StudyInstanceUID))
    assert found is not None
    return found.study


def lines(site: SampleSite, image: Dataset, *kinds: EventKind) -> list[str]:
    found = site.ledger.inspection.history(str(image.StudyInstanceUID))
    assert found is not None
    wanted = {kind.value for kind in kinds}
    return [detail_in_words(ENGLISH, event.facts) for event in found.events if event.event in wanted]


def test_a_final_result_takes_its_study_off_the_list_and_its_place_stays_in_the_history(either: SampleSite) -> None:
    first, image = receive(either, accession_number="A-0"), receive(either)
    kept = either.ledger.orders.hear(message(order(OrderEvent.READ), number=7))
    assert [identity.study_instance_uid for identity in kept.taken_off] == [str(image.StudyInstanceUID)]
    reading = study(either, image).reading
    assert reading is not None
    assert reading.source is CloseSource.HL7
    assert study(either, first).reading is None
    assert lines(either, image, EventKind.STUDY_CLOSED) == ["HL7 message, place 2"]
    assert lines(either, image, EventKind.ORDER_HEARD) == ["final result, by RIS|HOSP, message M7"]
    assert either.ledger.inspection.status().orders == {OrderState.USED: 1}
    assert either.ledger.readings.reopen(str(image.StudyInstanceUID), "dr.lam")


def test_a_message_that_comes_again_changes_nothing_and_is_no_news(either: SampleSite) -> None:
    image, said = receive(either), message(order(OrderEvent.READ))
    assert either.ledger.orders.hear(said).is_news
    either.ledger.readings.reopen(str(image.StudyInstanceUID))
    assert not either.ledger.orders.hear(said).is_news
    assert study(either, image).reading is None
    # A sender that begins to count anew says something else under an old number.
    assert either.ledger.orders.hear(replace(said, digest="f" * 64)).is_news
    assert study(either, image).reading is not None


def test_an_order_before_its_image_raises_the_study_when_that_comes_and_says_why(either: SampleSite) -> None:
    said = order(priority=Priority.STAT, indication="Cough", patient_class="E")
    either.ledger.orders.hear(message(said, number=8))
    assert either.ledger.inspection.status().orders == {OrderState.WAITING: 1}
    image = receive(either)
    found = study(either, image)
    assert (found.priority, found.priority_source) == (Priority.STAT, PrioritySource.ORDER)
    assert found.reading_rank_at < found.first_received_at
    assert lines(either, image, EventKind.ORDER_HEARD) == ["order, by RIS|HOSP, message M8"]
    history = either.ledger.inspection.history(str(image.StudyInstanceUID))
    assert history is not None
    assert [order_in_words(ENGLISH, said) for said in history.orders] == [
        "order; STAT; patient class E; indication: Cough"
    ]
    # Nothing lowers it again.
    either.ledger.orders.hear(message(order(priority=Priority.ROUTINE)))
    assert study(either, image).priority is Priority.STAT


def test_an_order_after_its_image_raises_the_study(site: SampleSite) -> None:
    image = receive(site)
    site.ledger.orders.hear(message(order(priority=Priority.URGENT)))
    assert study(site, image).priority is Priority.URGENT


def test_a_result_that_was_final_before_the_image_came_closes_the_study_as_one_that_came_too_late(
    either: SampleSite,
) -> None:
    either.ledger.orders.hear(message(order(OrderEvent.READ)))
    image = receive(either)
    reading = study(either, image).reading
    assert reading is not None
    assert reading.came_after_at == either.now
    late = either.ledger.reading_list.page(10, wanted=Wanted(shelf=Shelf.LATE))
    assert [found.study_instance_uid for found in late.studies] == [str(image.StudyInstanceUID)]


def test_a_document_does_not_use_up_a_result_that_is_of_an_image_to_come(site: SampleSite) -> None:
    site.ledger.orders.hear(message(order(OrderEvent.READ)))
    document = receive(site, kind=ArrivalKind.NOT_AN_IMAGE)
    assert study(site, document).reading is None
    image = receive(site, study_instance_uid=str(document.StudyInstanceUID))
    assert study(site, image).reading is not None


def test_a_cancelled_order_takes_its_study_off_the_list_as_one_that_nobody_has_read(site: SampleSite) -> None:
    image = receive(site)
    site.infer(0.2)
    site.ledger.orders.hear(message(order(OrderEvent.CANCELLED)))
    reading = study(site, image).reading
    assert reading is not None
    assert reading.source is CloseSource.ORDER_CANCELLED
    # No reading that a waiting time is reckoned to.
    site.ledger.figures.flush()
    assert (f"{TO_READ.name}_sum", "") not in site.ledger.figures.totals()


def test_an_image_that_comes_after_its_order_was_cancelled_stands_on_the_list(site: SampleSite) -> None:
    site.ledger.orders.hear(message(order(OrderEvent.CANCELLED), number=9))
    image = receive(site)
    assert study(site, image).reading is None
    assert lines(site, image, EventKind.ORDER_HEARD) == ["order cancelled, by RIS|HOSP, message M9"]


def test_a_study_that_was_read_stays_as_it_is_when_its_result_is_corrected(site: SampleSite) -> None:
    image = receive(site)
    site.ledger.orders.hear(message(order(OrderEvent.READ)))
    receive(site, study_instance_uid=str(image.StudyInstanceUID))
    site.ledger.orders.hear(message(order(OrderEvent.READ)))
    reading = study(site, image).reading
    assert reading is not None
    assert reading.came_after_at is not None  # nothing tells whether the correction knows of the second image


@pytest.mark.parametrize(
    ("patient", "problem"),
    [
        (OrderedPatient((("P-2", ()),), ("Lam^Anh",), "19800102"), "the patient ID is another"),
        (OrderedPatient((("P-1", ("OTHER",)),), ("Lam^Anh",), "19800102"), "the patient ID is another"),
        (OrderedPatient((("P-1", ()),), ("Tran^Binh",), "19800102"), "the patient's name is another"),
        (OrderedPatient((("P-1", ()),), ("Lam^Anh",), "19800103"), "the birth date is another"),
        (OrderedPatient((), ("Lam^Anh",), "19800102"), "no patient ID proves whose it is"),
    ],
)
def test_a_result_of_another_patient_is_not_used_and_the_study_says_why(
    patient: OrderedPatient, problem: str, site: SampleSite
) -> None:
    image = receive(site, IssuerOfPatientID="HOSP")
    site.ledger.orders.hear(message(of(patient, event=OrderEvent.READ)))
    assert study(site, image).reading is None
    (line,) = lines(site, image, EventKind.ORDER_NOT_USED)
    assert line.endswith(f": {problem}")
    assert site.ledger.inspection.status().orders == {OrderState.NOT_USED: 1}
    history = site.ledger.inspection.history(str(image.StudyInstanceUID))
    assert history is not None
    assert [order_in_words(ENGLISH, said) for said in history.orders] == [f"final result; not used, {problem}"]
    # It is said once, not for every image.
    receive(site, IssuerOfPatientID="HOSP", study_instance_uid=str(image.StudyInstanceUID))
    assert len(lines(site, image, EventKind.ORDER_NOT_USED)) == 1


@pytest.mark.parametrize("event", [OrderEvent.ORDERED, OrderEvent.CANCELLED])
def test_an_order_of_another_patient_neither_raises_nor_closes(event: OrderEvent, site: SampleSite) -> None:
    other = OrderedPatient((("P-2", ()),), ("Lam^Anh",), "19800102")
    site.ledger.orders.hear(message(of(other, event=event, priority=Priority.STAT)))
    found = study(site, receive(site))
    assert (found.priority, found.reading) == (Priority.ROUTINE, None)


def test_a_uid_names_its_study_without_a_patient_id_and_not_against_one(site: SampleSite) -> None:
    image = receive(site, accession_number="")
    uid = str(image.StudyInstanceUID)
    stranger = OrderedPatient((("P-9", ()),), (), "")
    site.ledger.orders.hear(message(of(stranger, event=OrderEvent.READ, study_instance_uid=uid)))
    assert study(site, image).reading is None
    site.ledger.orders.hear(message(of(OrderedPatient(), event=OrderEvent.READ, study_instance_uid=uid)))
    assert study(site, image).reading is not None


def test_a_result_with_another_uid_closes_no_study_of_its_accession_number(site: SampleSite) -> None:
    image = receive(site)
    site.ledger.orders.hear(message(order(OrderEvent.READ, study_instance_uid="1.2.3")))
    assert study(site, image).reading is None
    # An order only raises, and modalities choose UIDs of their own.
    site.ledger.orders.hear(message(order(priority=Priority.STAT, study_instance_uid="1.2.3")))
    assert study(site, image).priority is Priority.STAT


@pytest.mark.proves(Invariant.ORDERS_OF_ONE_PATIENT)
def test_two_studies_of_one_accession_number_are_both_left_and_both_say_so(either: SampleSite) -> None:
    images = [receive(either), receive(either)]
    either.ledger.orders.hear(message(order(OrderEvent.READ)))
    for image in images:
        assert study(either, image).reading is None
    said = [line for image in images for line in lines(either, image, EventKind.ORDER_NOT_USED)]
    assert [line.partition(": ")[2] for line in said] == ["several studies have its accession number"] * 2


@pytest.mark.parametrize("placeholder", ["0", "000", "1", "N/A", "Unknown", "X X"])
def test_a_placeholder_is_no_accession_number(site: SampleSite, placeholder: str) -> None:
    before, after = (message(order(accession_number=placeholder, priority=Priority.STAT)) for _ in range(2))
    site.ledger.orders.hear(before)
    image = receive(site, accession_number=f" {placeholder} ")
    with writing(site.engine) as session:  # as an earlier version kept it
        row = session.scalars(select(StudyRecord)).one()
        session.add(AccessionRecord(study_id=row.id, accession_number=placeholder))
    site.ledger.orders.hear(after)
    assert study(site, image).priority is Priority.ROUTINE
    assert site.ledger.inspection.status().orders == {OrderState.WAITING: 2}


def test_a_number_that_only_looks_like_a_placeholder_is_an_accession_number() -> None:
    for number in ("10", "0001", "A-0", "X1", "NA-7", "UNKNOWN-3"):
        assert accession_of(f" {number}") == number


def test_of_two_patients_with_one_accession_number_the_right_one_is_found(site: SampleSite) -> None:
    other = receive(site, patient_id="P-7", patient_name="Tran^Binh")
    image = receive(site)
    site.ledger.orders.hear(message(order(OrderEvent.READ)))
    assert study(site, image).reading is not None
    assert study(site, other).reading is None


def test_nothing_is_used_for_a_study_on_hold(site: SampleSite) -> None:
    image = receive(site)
    receive(site, study_instance_uid=str(image.StudyInstanceUID), patient_id="P-2", patient_name="Tran^Binh")
    site.ledger.orders.hear(message(order(OrderEvent.READ)))
    found = study(site, image)
    assert found.hold is not None
    assert found.reading is None


def test_what_was_heard_while_a_study_was_on_hold_is_used_once_a_person_lets_it_go(either: SampleSite) -> None:
    for after in (False, True):
        image = receive(either, accession_number=f"A-{after}")
        uid = str(image.StudyInstanceUID)
        with writing(either.engine) as session:
            held = session.scalars(select(StudyRecord).where(StudyRecord.study_instance_uid == uid)).one()
            hold(held, Hold.CLASHING_INSTANCE, either.now)
        either.ledger.orders.hear(message(order(OrderEvent.READ, accession_number=f"A-{after}")))
        assert study(either, image).reading is None
        if after:
            later = either.now + timedelta(minutes=1)
            receive(either, accession_number="A-True", study_instance_uid=uid, at=later)
        assert either.ledger.remedies.release(uid)
        reading = study(either, image).reading
        assert reading is not None
        # Whoever reported did not know of an image that came after the report.
        assert (reading.source, reading.came_after_at is not None) == (CloseSource.HL7, after)
    assert not either.ledger.remedies.release(uid)


@pytest.mark.proves(Invariant.ORDERS_OF_ONE_PATIENT)
def test_a_study_on_hold_may_be_the_one_that_is_meant_and_each_study_says_so_once(either: SampleSite) -> None:
    held, free, other = receive(either), receive(either), receive(either, patient_id="P-7", patient_name="Tran^Binh")
    uid = str(held.StudyInstanceUID)
    receive(either, study_instance_uid=uid, patient_id="P-2", patient_name="Tran^Chi")
    either.ledger.orders.hear(message(order(OrderEvent.READ)))
    assert [study(either, one).reading for one in (held, free, other)] == [None, None, None]
    # Each image leads to another look, whichever study it is of; nothing is said twice, nor of another study.
    receive(either, study_instance_uid=str(other.StudyInstanceUID), patient_id="P-7", patient_name="Tran^Binh")
    receive(either, study_instance_uid=uid, patient_id="P-2", patient_name="Tran^Chi")
    said = [lines(either, one, EventKind.ORDER_NOT_USED) for one in (held, free, other)]
    assert [[line.partition(": ")[2] for line in of_one] for of_one in said] == [
        ["the study is on hold"],
        ["several studies have its accession number"],
        [],
    ]


def test_what_waits_for_a_study_on_hold_is_used_at_its_release_though_others_have_its_accession_number(
    either: SampleSite,
) -> None:
    image = receive(either)
    uid = str(image.StudyInstanceUID)
    with writing(either.engine) as session:
        hold(session.scalars(select(StudyRecord)).one(), Hold.CLASHING_INSTANCE, either.now)
    other = receive(either, patient_id="P-7", patient_name="Tran^Binh")
    either.ledger.orders.hear(message(order(priority=Priority.STAT)))
    assert either.ledger.remedies.release(uid)
    assert [study(either, one).priority for one in (image, other)] == [Priority.STAT, Priority.ROUTINE]
    assert len(lines(either, other, EventKind.ORDER_HEARD)) == 0


def test_a_worker_learns_the_birth_date_that_the_order_gives_an_image_without_one(site: SampleSite) -> None:
    site.ledger.orders.hear(message(order()))
    receive(site, birth_date=None)
    receive(site, accession_number="A-2", birth_date=None)
    claims = site.ledger.analysis.claim("worker", 2, timedelta(minutes=1), 3)
    assert [claim.ordered_birth_date for claim in claims] == ["19800102", ""]


def test_what_was_heard_long_ago_is_forgotten(site: SampleSite) -> None:
    site.ledger.orders.hear(message(order()))
    site.now += timedelta(days=2)
    site.ledger.orders.hear(message(order(accession_number="A-2")))
    assert site.ledger.orders.forget(timedelta(days=1)) == 1
    assert site.ledger.inspection.status().orders == {OrderState.WAITING: 1}
    assert study(site, receive(site)).priority is Priority.ROUTINE


_ids = st.text(st.sampled_from("AB1"), max_size=2)
_names = st.lists(st.sampled_from(["LAM", "anh", "Trần"]), max_size=3).map("^".join)
_dates = st.sampled_from(["", "19800102", "19800103"])


@pytest.mark.proves(Invariant.ORDERS_OF_ONE_PATIENT)
@given(
    order_id=_ids,
    issuer=_ids,
    name=_names,
    date=_dates,
    image_id=_ids,
    image_issuer=_ids,
    image_name=_names,
    image_date=_dates,
)
def test_whatever_contradicts_is_never_used(
    order_id: str,
    issuer: str,
    name: str,
    date: str,
    image_id: str,
    image_issuer: str,
    image_name: str,
    image_date: str,
) -> None:
    ids = ((order_id, (issuer,) if issuer else ()),) if order_id else ()
    identity = Identity("1", "2", "3", "4", image_id, image_issuer, image_name, image_date)
    found = problem_of(OrderedPatient(ids, (name,), date), [identity])
    contradicts = (
        bool(order_id and image_id and order_id != image_id)
        or bool(order_id and image_id and issuer and image_issuer and issuer != image_issuer)
        or bool(date and image_date and date != image_date)
    )
    if contradicts:
        assert found not in (None, OrderProblem.NO_PATIENT_ID)
    if not (order_id and image_id):
        assert found is not None


@pytest.mark.parametrize(
    ("order_name", "image_name", "same"),
    [
        ("Nguyễn^Văn An", "NGUYEN^VAN AN", True),
        ("Nguyễn^Văn^An", "NGUYEN^VAN AN", True),
        ("Doe^Jane^Mary", "DOE^JANE", True),
        ("Doe^Jane", "Jane Doe", True),
        ("Doe^Jane", "Doe^John", False),
        ("Doe^Jane", "Doe", False),
        ("山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
    ],
)
def test_a_name_agrees_whatever_its_case_accents_and_components(order_name: str, image_name: str, same: bool) -> None:
    identity = Identity("1", "2", "3", "4", "P-1", "", image_name)
    found = problem_of(OrderedPatient((("P-1", ()),), (order_name,)), [identity])
    assert found is (None if same else OrderProblem.NAME)


def test_an_order_of_a_study_that_is_in_shadow_waits_for_an_image_that_is_not(either: SampleSite) -> None:
    """Nobody knows yet whose the study is: the image that tells may be another patient's."""
    either.ledger.shadow.enter(ShadowSource("TRIAL"))
    image = receive(either, ae="TRIAL", patient_id="P-2")
    uid = str(image.StudyInstanceUID)
    either.ledger.orders.hear(message(order(priority=Priority.STAT, study_instance_uid=uid)))
    assert either.ledger.inspection.status().orders == {OrderState.WAITING: 1}
    assert study(either, image).priority is Priority.ROUTINE
    receive(either, patient_id="P-2", study_instance_uid=uid)
    assert either.ledger.inspection.status().orders == {OrderState.NOT_USED: 1}
    assert study(either, image).priority is Priority.ROUTINE
