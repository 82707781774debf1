"""The worklist: its order, and words that never read as normal."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from service.alarms import alarms
from service.vocabulary.commitment import Reference
from service.vocabulary.facts import PrioritySource, Reason, Standing, Supersession
from service.vocabulary.states import DeliveryState, Priority
from service.wording import calendar_date, duration, person_name
from service.worklist import Row, rows
from tests.invariants import Invariant
from tests.service.sample_site import ENGLISH, LEASE, NO_PATTERN, SampleSite, busy_morning


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSite]:
    site = SampleSite(tmp_path / "data")
    yield site
    site.close()


def _rows(site: SampleSite, limit: int = 1000) -> list[Row]:
    return rows(ENGLISH, site.ledger.reading_list, site.now, limit)


@settings(max_examples=8)
@given(arrivals=st.lists(st.tuples(st.integers(0, 400), st.sampled_from(Priority)), min_size=1, max_size=6))
def test_no_row_stands_before_one_that_arrived_more_than_the_bound_earlier(
    arrivals: list[tuple[int, Priority]],
) -> None:
    with TemporaryDirectory() as folder:
        site = SampleSite(Path(folder))
        start = site.now
        for minute, priority in arrivals:
            site.receive(at=start + timedelta(minutes=minute), order=priority, rows=16, columns=16)
        listed = _rows(site)
        site.close()

    assert [row.number for row in listed] == list(range(1, len(arrivals) + 1))
    bounds = {Priority.ROUTINE: 0, Priority.URGENT: 60, Priority.STAT: 240}
    for place, row in enumerate(listed):
        for later in listed[place + 1 :]:
            assert row.arrived_at - later.arrived_at <= timedelta(minutes=bounds[row.priority])


def test_studies_of_equal_rank_stand_in_the_order_of_their_arrival(site: SampleSite) -> None:
    start = site.now
    late = site.receive(at=start + timedelta(hours=1), order=Priority.URGENT, source=PrioritySource.C_STORE)
    early = site.receive(at=start)

    assert [row.study_instance_uid for row in _rows(site)] == [early.StudyInstanceUID, late.StudyInstanceUID]


def test_a_positive_result_moves_a_study_forward_and_says_why(site: SampleSite) -> None:
    start = site.now
    site.receive(at=start)
    site.infer(0.1)
    suspected = site.receive(at=start + timedelta(minutes=30))
    site.infer(0.96)

    first = _rows(site)[0]
    assert first.study_instance_uid == suspected.StudyInstanceUID
    assert (first.priority, first.priority_source) == (Priority.URGENT, "prediction")
    assert first.answer.sentence == "PNEUMONIA SUSPECTED 96.0 %"


def test_a_negative_result_never_reads_as_normal(site: SampleSite) -> None:
    site.receive()
    site.infer(0.001)

    (row,) = _rows(site)
    assert row.answer.sentence == NO_PATTERN
    assert "NOT assessed" in row.answer.sentence
    assert "normal" not in row.answer.sentence.replace("abnormalities", "")


def test_an_answer_names_the_checkpoint_that_it_is_from(site: SampleSite) -> None:
    site.receive()
    assert _rows(site)[0].answer.checkpoint_version is None
    site.infer(0.1)
    assert _rows(site)[0].answer.checkpoint_version == "1.0.0"


@pytest.mark.proves(Invariant.SILENCE_IS_NOT_NORMAL)
def test_each_way_not_to_be_analysed_says_so(site: SampleSite) -> None:
    site.receive()
    site.exclude(Reason.LATERAL_VIEW)
    site.receive()
    site.fail("out of memory")
    site.receive()
    site.claim()
    site.receive()

    assert [row.answer.sentence for row in _rows(site)] == [
        "NOT ANALYSED: lateral view",
        "FAILED, NOT ANALYSED: the analysis failed; see the gateway's log",
        "being analysed",
        "waiting",
    ]


def test_the_image_that_matters_most_speaks_for_its_study(site: SampleSite) -> None:
    expected = [
        (Standing.NEGATIVE, lambda: site.infer(0.1)),
        (Standing.NOT_ANALYSED, lambda: site.exclude(Reason.LATERAL_VIEW)),
        (Standing.FAILED, lambda: site.fail("out of memory")),
        (Standing.INDETERMINATE, lambda: site.infer(0.5)),
        (Standing.POSITIVE, lambda: site.infer(0.9)),
    ]
    study = None
    for standing, settle in expected:
        dataset = site.receive(study_instance_uid=study)
        study = str(dataset.StudyInstanceUID)
        settle()
        (row,) = _rows(site)
        assert row.answer.standing is standing
    assert len(row.also) == len(expected) - 1


def test_a_study_under_two_patients_shows_both_and_no_result_first(site: SampleSite) -> None:
    first = site.receive(patient_id="A", patient_name="Ames^Anna")
    site.infer(0.1)
    site.receive(patient_id="B", patient_name="Bell^Bea", study_instance_uid=str(first.StudyInstanceUID))
    site.infer(0.9)

    (row,) = _rows(site)
    assert row.answer.standing is Standing.HELD
    assert (row.patient_name, row.patient_id) == ("Ames, Anna / Bell, Bea", "A / B")
    (alarm,) = alarms(ENGLISH, site.ledger.inspection.status(), site.now)
    assert alarm.study_instance_uid == first.StudyInstanceUID


def test_a_superseded_version_speaks_no_more(site: SampleSite) -> None:
    first = site.receive(patient_name="Old^Name")
    site.infer(0.99)
    site.receive(
        patient_name="New^Name",
        sop_instance_uid=str(first.SOPInstanceUID),
        study_instance_uid=str(first.StudyInstanceUID),
    )
    site.infer(0.1, superseding=Supersession.IMAGE_REPLACED)

    (row,) = _rows(site)
    assert (row.patient_name, row.answer.standing, row.images) == ("New, Name", Standing.NEGATIVE, 1)
    assert row.priority is Priority.URGENT


def test_a_study_of_our_own_objects_alone_is_no_row(site: SampleSite) -> None:
    from service.ledger import ArrivalKind

    site.receive(kind=ArrivalKind.OWN)

    assert _rows(site) == []
    assert site.ledger.reading_list.count() == 0


def test_one_dead_report_outweighs_all_that_were_delivered(site: SampleSite) -> None:
    site.receive()
    site.infer(0.9)
    site.report("archive", "pacs")
    site.deliver("pacs")
    site.deliver("archive", DeliveryState.DEAD)

    (row,) = _rows(site)
    assert [(item.destination, item.state, item.done) for item in row.deliveries] == [
        ("archive", DeliveryState.DEAD, 0),
        ("pacs", DeliveryState.CONFIRMED, 2),
    ]
    (alarm,) = alarms(ENGLISH, site.ledger.inspection.status(), site.now)
    assert alarm.remedy == "auscult retry"


@pytest.mark.parametrize("analysed", [True, False])
def test_a_report_that_cannot_be_built_is_an_alarm(site: SampleSite, analysed: bool) -> None:
    site.receive()
    site.infer(0.9) if analysed else site.exclude(Reason.PIXELS_UNDECODABLE)
    (due,) = site.ledger.reporting.claim("builder", 1, LEASE)
    site.ledger.reporting.save_failure(due, "ValueError", site.now, 1)

    (alarm,) = alarms(ENGLISH, site.ledger.inspection.status(), site.now)
    assert alarm.text == "The reports of 1 image could not be built."
    assert site.ledger.remedies.retry() == 1
    assert alarms(ENGLISH, site.ledger.inspection.status(), site.now) == []


@pytest.mark.parametrize("built", [True, False])
def test_a_report_that_nobody_sends_is_an_alarm(site: SampleSite, built: bool) -> None:
    """No worker runs, or the destination is not in the settings any more."""
    site.receive()
    site.infer(0.9)
    if built:
        site.report("pacs")
    status = site.ledger.inspection.status()
    assert alarms(ENGLISH, status, site.now) == []

    (alarm,) = alarms(ENGLISH, status, site.now + timedelta(minutes=20))
    assert alarm.text == "A report or message has been waiting 20 min to be sent."


def test_an_image_that_waits_too_long_is_an_alarm(site: SampleSite) -> None:
    site.receive()
    assert alarms(ENGLISH, site.ledger.inspection.status(), site.now) == []

    (alarm,) = alarms(ENGLISH, site.ledger.inspection.status(), site.now + timedelta(minutes=3))
    assert "3 min" in alarm.text


def test_a_peer_that_waits_too_long_for_our_answer_is_an_alarm(site: SampleSite) -> None:
    site.ledger.commitment_requests.register("STRANGER", "1.2.3", [Reference("1.2.4", "1.2.5")], site.now)
    status = site.ledger.inspection.status()
    assert alarms(ENGLISH, status, site.now) == []

    (alarm,) = alarms(ENGLISH, status, site.now + timedelta(minutes=20))
    assert alarm.text.startswith("A peer has been waiting 20 min")


def _statements(site: SampleSite, limit: int) -> int:
    seen: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(site.engine, "before_cursor_execute", count)
    _rows(site, limit)
    event.remove(site.engine, "before_cursor_execute", count)
    return len([statement for statement in seen if statement.startswith("SELECT")])


def test_a_longer_list_takes_no_more_queries(tmp_path: Path) -> None:
    site = busy_morning(tmp_path / "data")

    assert _statements(site, 1) == _statements(site, 1000) == 7
    site.close()


def test_pages_follow_on_each_other(site: SampleSite) -> None:
    for _ in range(5):
        site.receive(rows=16, columns=16)
        site.now += timedelta(seconds=1)
    listed = site.ledger.reading_list
    pages = [
        *rows(ENGLISH, listed, site.now, 2),
        *rows(ENGLISH, listed, site.now, 2, 2),
        *rows(ENGLISH, listed, site.now, 2, 4),
    ]

    assert pages == _rows(site)


def test_the_worklist_is_the_same_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    site = busy_morning(tmp_path / "postgres", postgres_url)
    twin = busy_morning(tmp_path / "sqlite")

    def summary(of: SampleSite) -> list[tuple[object, ...]]:
        return [(row.patient_name, row.priority, row.answer, row.also, row.deliveries) for row in _rows(of)]

    assert summary(site) == summary(twin)
    one, other = site.ledger.inspection.status(), twin.ledger.inspection.status()
    assert (one.states, one.outbox, one.out_of_scope) == (other.states, other.outbox, other.out_of_scope)
    for row in _rows(site):
        assert site.ledger.inspection.history(row.study_instance_uid) is not None
    site.close()
    twin.close()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Nguyễn^Văn An", "Nguyễn, Văn An"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田 太郎)"),
        ("=山田^太郎", "山田 太郎"),
        ("Doe^Jane^Q^Dr.^MD", "Doe, Dr. Jane Q MD"),
        ("الأحمد^ليلى", "الأحمد, ليلى"),
        ("", ""),
        ("^^^^", ""),
    ],
)
def test_a_name_is_shown_in_full(value: str, shown: str) -> None:
    assert person_name(value) == shown


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), max_size=64))
def test_whatever_stands_in_a_name_or_a_date_can_be_shown(text: str) -> None:
    assert isinstance(person_name(text), str)
    assert isinstance(calendar_date(text), str)


@given(st.integers(-5, 10**7))
def test_a_span_is_never_empty_nor_negative(seconds: int) -> None:
    text = duration(ENGLISH, timedelta(seconds=seconds))
    assert text
    assert "-" not in text
