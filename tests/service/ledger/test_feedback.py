"""What people say of results: it is kept with who and when, the newest counts, and a flag may be withdrawn by it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom import Dataset

from service.ledger import Subscription
from service.ledger.views import StudyHistory
from service.vocabulary.facts import EventKind, Flag, MessageEvent, Opinion, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.states import DeliveryState, Priority, State
from service.wording import detail_in_words
from tests.service.sample_site import ENGLISH, LEASE, SampleSite

RIS = Subscription("ris", frozenset(MessageEvent))


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty ledger on either database."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    site = SampleSite(tmp_path / "data", url, subscriptions=(RIS,))
    yield site
    site.close()


def history(site: SampleSite, dataset: Dataset) -> StudyHistory:
    found = site.ledger.inspection.history(str(dataset.StudyInstanceUID))
    assert found is not None
    return found


def flagged(site: SampleSite) -> Dataset:
    dataset = site.receive()
    site.infer(0.9, Flag.VIEW_UNKNOWN)
    return dataset


def give(site: SampleSite, dataset: Dataset, opinion: Opinion, version: int = 1, **more: object) -> bool:
    return site.ledger.feedback.give(str(dataset.SOPInstanceUID), version, opinion, **more)  # type: ignore[arg-type]


def test_an_opinion_is_kept_with_who_and_when_and_of_a_person_the_newest_counts(either: SampleSite) -> None:
    dataset = flagged(either)
    assert give(either, dataset, Opinion.AGREE, by="lam")
    assert give(either, dataset, Opinion.DISAGREE, by="roy", finding=Finding.NORMAL, comment="old scar")
    either.now += timedelta(minutes=1)
    assert give(either, dataset, Opinion.NOT_ASSESSABLE, by="lam")

    said = either.ledger.feedback.of_study(str(dataset.StudyInstanceUID))
    assert [(item.person, item.opinion, item.counts) for item in said] == [
        ("lam", Opinion.AGREE, False),
        ("roy", Opinion.DISAGREE, True),
        ("lam", Opinion.NOT_ASSESSABLE, True),
    ]
    assert (said[1].finding, said[1].comment, said[2].at) == (Finding.NORMAL, "old scar", either.now)
    counted = either.ledger.feedback.counted()
    assert [item.opinion for item in counted] == [Opinion.DISAGREE, Opinion.NOT_ASSESSABLE]
    assert {(item.outcome, item.calling_ae_title) for item in counted} == {(Outcome.POSITIVE, "CR_ROOM_1")}
    (labelled,) = either.ledger.feedback.labelled()
    assert labelled.said == ((Opinion.DISAGREE, Finding.NORMAL), (Opinion.NOT_ASSESSABLE, None))
    assert labelled.instance.sop_instance_uid == str(dataset.SOPInstanceUID)


def test_the_history_says_who_said_what_and_holds_no_comment(either: SampleSite) -> None:
    dataset = flagged(either)
    give(either, dataset, Opinion.DISAGREE, by="roy", finding=Finding.NORMAL, comment="old scar")
    give(either, dataset, Opinion.AGREE)

    lines = [event for event in history(either, dataset).events if event.event == EventKind.FEEDBACK_GIVEN]
    assert [detail_in_words(ENGLISH, line.facts) for line in lines] == [
        "disagree, sees no pneumonia pattern, by roy",
        "agree",
    ]
    assert not any("scar" in str(event) for event in history(either, dataset).events)


def test_nothing_is_said_of_an_image_without_a_result_or_of_a_version_that_does_not_stand(either: SampleSite) -> None:
    dataset = either.receive()
    assert not give(either, dataset, Opinion.AGREE)
    either.exclude(Reason.LATERAL_VIEW)
    assert not give(either, dataset, Opinion.AGREE)
    assert not give(either, dataset, Opinion.AGREE, version=2)
    assert either.ledger.feedback.of_study(str(dataset.StudyInstanceUID)) == ()


def test_a_disagreement_alone_changes_neither_result_nor_priority(either: SampleSite) -> None:
    dataset = flagged(either)
    give(either, dataset, Opinion.DISAGREE, by="roy")

    study = history(either, dataset).study
    assert study.priority is Priority.URGENT
    assert [view.state for view in study.instances] == [State.INFERRED]


def test_a_withdrawn_flag_is_superseded_where_it_was_sent_and_leaves_the_front_of_the_list(either: SampleSite) -> None:
    dataset = flagged(either)
    either.report("pacs")
    either.deliver("pacs")
    (told,) = either.ledger.messages.claim("messenger", "ris", 1, LEASE)
    assert told.event is MessageEvent.RESULT

    give(either, dataset, Opinion.DISAGREE, by="roy", withdraws=True)

    found = history(either, dataset)
    assert [(view.state, view.reason) for view in found.versions] == [
        (State.SUPERSEDED, None),
        (State.OUT_OF_SCOPE, "person_disagreed"),
    ]
    assert found.study.instances[0].superseding_reason is Supersession.PERSON_DISAGREED
    assert (found.study.priority, found.study.priority_source) == (Priority.ROUTINE, PrioritySource.DEFAULT)
    assert found.study.reading_rank_at == found.study.first_received_at
    (due,) = either.ledger.reporting.claim("builder", 10, LEASE)
    assert (due.reason, due.prediction) == ("person_disagreed", None)
    assert [report.kind for report in due.predecessors] == ["text_sr", "secondary_capture"]
    events = [message.event for message in found.messages]
    assert MessageEvent.RESULT_SUPERSEDED in events
    assert events[-1] is MessageEvent.RESULT


def test_what_was_not_sent_yet_is_not_sent_once_it_is_withdrawn(either: SampleSite) -> None:
    dataset = flagged(either)
    either.report("pacs")
    give(either, dataset, Opinion.DISAGREE, by="roy", withdraws=True)

    assert {item.state for report in history(either, dataset).reports for item in report.deliveries} == {
        DeliveryState.WITHDRAWN
    }


@pytest.mark.parametrize("other", ["another suspicion", "an order priority"])
def test_a_study_keeps_its_place_where_something_else_earned_it(either: SampleSite, other: str) -> None:
    if other == "an order priority":
        dataset = either.receive(order=Priority.STAT, source=PrioritySource.AE_TITLE)
    else:
        dataset = flagged(either)
        either.receive(study_instance_uid=str(dataset.StudyInstanceUID), patient_id=str(dataset.PatientID))
    either.infer(0.9)
    before = history(either, dataset).study

    give(either, dataset, Opinion.DISAGREE, by="roy", withdraws=True)

    after = history(either, dataset).study
    assert (after.priority, after.priority_source, after.reading_rank_at) == (
        before.priority,
        before.priority_source,
        before.reading_rank_at,
    )


def test_a_flag_of_which_a_later_version_is_on_its_way_is_left_to_that(either: SampleSite) -> None:
    dataset = flagged(either)
    either.receive(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        patient_id=str(dataset.PatientID),
    )
    give(either, dataset, Opinion.DISAGREE, by="roy", withdraws=True)

    assert [view.state for view in history(either, dataset).versions] == [State.INFERRED, State.RECEIVED]


def test_a_withdrawn_result_comes_back_only_when_a_person_has_the_image_analysed_again(either: SampleSite) -> None:
    from service.ledger import Which

    dataset = flagged(either)
    give(either, dataset, Opinion.DISAGREE, by="roy", withdraws=True)
    assert either.ledger.analysis.claim("worker", 1, LEASE, 3) == []

    assert either.ledger.remedies.reanalyse(Which(str(dataset.SOPInstanceUID)), lambda _: True) == 1
    either.infer(0.9, superseding=Supersession.ANALYSED_AGAIN)

    assert history(either, dataset).study.priority is Priority.URGENT
