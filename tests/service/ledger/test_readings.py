"""Studies that were read: they leave the list, what comes after raises nothing, and they can come back."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from service.ledger import Which
from service.ledger.views import StudyHistory
from service.vocabulary.facts import CloseSource, EventKind, PrioritySource, Reason
from service.vocabulary.figures import TO_FLAG, TO_READ
from service.vocabulary.reading_order import ReadingOrder
from service.vocabulary.states import DeliveryState, Priority
from service.wording import detail_in_words
from tests.service.sample_site import ENGLISH, LEASE, SampleSite


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty ledger on either database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    site = SampleSite(tmp_path / "data", url)
    yield site
    site.close()


def uid(dataset: Dataset) -> str:
    return str(dataset.StudyInstanceUID)


def listed(site: SampleSite) -> list[str]:
    return [view.study_instance_uid for view in site.ledger.reading_list.page(100).studies]


def history(site: SampleSite, dataset: Dataset) -> StudyHistory:
    found = site.ledger.inspection.history(uid(dataset))
    assert found is not None
    return found


def events(site: SampleSite, dataset: Dataset, kind: EventKind) -> list[str | None]:
    lines = [event for event in history(site, dataset).events if event.event == kind.value]
    return [detail_in_words(ENGLISH, event.facts) or None for event in lines]


def test_a_study_that_was_read_leaves_the_list_and_its_place_stays_in_its_history(either: SampleSite) -> None:
    first, second = either.receive(), either.receive(at=either.now + timedelta(minutes=1))

    assert either.ledger.readings.close(uid(second), CloseSource.PAGE, "dr.lam")

    assert listed(either) == [uid(first)]
    assert events(either, second, EventKind.STUDY_CLOSED) == ["marked on the page, by dr.lam, place 2"]
    reading = history(either, second).study.reading
    assert reading is not None
    assert (reading.at, reading.by, reading.came_after_at) == (either.now, "dr.lam", None)
    status = either.ledger.inspection.status()
    assert (status.studies, status.open_studies, status.came_after) == (2, 1, 0)


def test_a_study_that_was_read_is_not_read_again_while_nothing_new_came(site: SampleSite) -> None:
    study = site.receive()
    assert site.ledger.readings.close(uid(study), CloseSource.PAGE, "dr.lam")
    assert not site.ledger.readings.close(uid(study), CloseSource.HL7)
    assert not site.ledger.readings.close("1.2.3", CloseSource.HL7)
    assert len(events(site, study, EventKind.STUDY_CLOSED)) == 1


def test_a_study_that_is_opened_again_stands_where_it_stood(either: SampleSite) -> None:
    first, second, third = (either.receive(at=either.now + timedelta(minutes=number)) for number in range(3))
    either.ledger.readings.close(uid(second), CloseSource.COMMAND)

    assert either.ledger.readings.reopen(uid(second), "dr.lam")

    assert listed(either) == [uid(first), uid(second), uid(third)]
    assert events(either, second, EventKind.STUDY_REOPENED) == ["by dr.lam"]
    assert history(either, second).study.reading is None
    assert not either.ledger.readings.reopen(uid(second))


def test_a_result_that_comes_after_the_reading_is_noted_and_raises_nothing(either: SampleSite) -> None:
    study = either.receive()
    either.ledger.readings.close(uid(study), CloseSource.COMMAND)
    either.now += timedelta(minutes=5)
    either.infer(0.97)

    view = history(either, study).study
    assert view.reading is not None
    assert view.reading.came_after_at == either.now
    assert (view.priority, view.priority_source) == (Priority.ROUTINE, PrioritySource.DEFAULT)
    assert listed(either) == []
    assert len(events(either, study, EventKind.CAME_AFTER_READING)) == 1
    assert either.ledger.inspection.status().came_after == 1
    (due,) = either.ledger.reporting.claim("builder", 10, LEASE)
    assert due.after_reading
    assert due.priority is Priority.ROUTINE


def test_what_came_after_raises_the_study_once_it_is_opened_again(either: SampleSite) -> None:
    ahead = either.receive(at=either.now - timedelta(minutes=30))
    either.infer(0.1)
    study = either.receive(at=either.now + timedelta(minutes=30))
    either.ledger.readings.close(uid(study), CloseSource.COMMAND)
    either.infer(0.97)

    either.ledger.readings.reopen(uid(study))

    view = history(either, study).study
    assert (view.priority, view.priority_source) == (Priority.URGENT, PrioritySource.PREDICTION)
    assert listed(either) == [uid(study), uid(ahead)]


@pytest.mark.parametrize("becomes", ["image", "out of scope", "failed", "held"])
def test_whatever_comes_after_the_reading_is_noted(site: SampleSite, becomes: str) -> None:
    study = site.receive()
    if becomes == "image":
        site.infer(0.1)
    site.ledger.readings.close(uid(study), CloseSource.COMMAND)
    if becomes == "image":
        site.receive(study_instance_uid=uid(study))
    elif becomes == "out of scope":
        site.exclude(Reason.LATERAL_VIEW)
    elif becomes == "failed":
        site.fail("out of memory")
    else:
        site.ledger.results.save_held(site.claim(), "p")
    assert site.ledger.inspection.status().came_after == 1
    assert listed(site) == []


def test_the_same_image_again_is_nothing_that_came_after(site: SampleSite) -> None:
    study = site.receive()
    site.infer(0.1)
    site.ledger.readings.close(uid(study), CloseSource.COMMAND)
    site._seed -= 1
    site.receive(sop_instance_uid=str(study.SOPInstanceUID), study_instance_uid=uid(study))
    site.receive(
        sop_instance_uid=str(study.SOPInstanceUID),
        study_instance_uid=uid(study),
        patient_name=str(study.PatientName),
        accession_number=str(study.AccessionNumber),
    )
    claim = site.claim()
    site.ledger.results.save_duplicate(claim, claim.object_key)
    assert site.ledger.inspection.status().came_after == 0


def test_what_came_after_is_seen_when_the_study_is_closed_again(site: SampleSite) -> None:
    study = site.receive()
    site.ledger.readings.close(uid(study), CloseSource.COMMAND)
    site.infer(0.97)

    assert site.ledger.readings.close(uid(study), CloseSource.COMMAND)

    assert site.ledger.inspection.status().came_after == 0
    assert events(site, study, EventKind.STUDY_CLOSED) == ["marked by a command, place 1", "marked by a command"]


def test_an_open_study_is_no_more_than_open(site: SampleSite) -> None:
    site.receive()
    site.infer(0.97)
    site.report("pacs")
    assert site.ledger.inspection.status().came_after == 0
    assert site.ledger.reading_list.count() == 1


def test_a_study_that_was_read_is_analysed_again_delivered_and_removed_like_any_other(site: SampleSite) -> None:
    study = site.receive()
    site.ledger.readings.close(uid(study), CloseSource.COMMAND)
    site.infer(0.97)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.CONFIRMED)
    assert site.ledger.remedies.reanalyse(Which(uid(study)), site.store.holds) == 1
    site.infer(0.2)
    site.report("pacs")
    site.deliver("pacs", DeliveryState.CONFIRMED)
    site.now += timedelta(days=90)
    assert site.ledger.retention.mark(site.now - timedelta(days=30), 10, lambda _: None)
    assert site.ledger.readings.reopen(uid(study))
    assert listed(site) == [uid(study)]


def test_the_time_from_the_first_result_to_the_reading_is_observed_once(site: SampleSite) -> None:
    study = site.receive()
    site.now += timedelta(seconds=90)
    site.infer(0.97)
    site.now += timedelta(minutes=4)
    site.ledger.readings.close(uid(study), CloseSource.COMMAND)
    unseen = site.receive()
    site.ledger.readings.close(uid(unseen), CloseSource.COMMAND)
    site.infer(0.1)
    site.ledger.readings.close(uid(unseen), CloseSource.COMMAND)
    counted = site.ledger.figures.tally.take()
    assert counted[TO_READ.name, "300.0"] == 1
    assert counted[f"{TO_READ.name}_sum", ""] == 240
    assert counted[TO_FLAG.name, "120.0"] == 1


STEPS = st.sampled_from(["receive", "infer", "close", "reopen"])


@given(steps=st.lists(st.tuples(STEPS, st.integers(0, 2)), max_size=12))
@settings(max_examples=8, deadline=None)
def test_a_closed_study_is_never_raised_and_the_counts_stay_true(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    site = SampleSite(tmp_path_factory.mktemp("steps"))
    uids = [f"2.25.{number}" for number in range(1, 4)]
    closed: dict[str, Priority] = {}
    for step, number in steps:
        site.now += timedelta(minutes=1)
        match step:
            case "receive":
                site.receive(study_instance_uid=uids[number], order=Priority(number))
            case "infer" if site.ledger.analysis.any_due():
                site.infer(0.9)
            case "close" if site.ledger.readings.close(uids[number], CloseSource.COMMAND):
                found = site.ledger.inspection.history(uids[number])
                assert found is not None
                closed[uids[number]] = found.study.priority
            case "reopen":
                site.ledger.readings.reopen(uids[number])
                closed.pop(uids[number], None)
        for name, priority in closed.items():
            found = site.ledger.inspection.history(name)
            assert found is not None
            assert found.study.priority is priority
            assert found.study.reading is not None
        ranks = [(view.reading_rank_at, view.first_received_at) for view in site.ledger.reading_list.page(10).studies]
        assert ranks == sorted(ranks)
        assert all(arrived - rank <= ReadingOrder().stat_boost for rank, arrived in ranks)
    site.close()
