"""Shadow: of a source that is in it nothing leaves, and nothing that people read is changed by it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from service.ledger import ArrivalKind, Subscription, Which
from service.ledger.database import reading, writing
from service.ledger.message_records import MessageRecord
from service.ledger.reading_list import Wanted
from service.ledger.records import DeliveryRecord, InstanceRecord, ReportRecord, StudyRecord
from service.ledger.work_item_records import WorkItemEventRecord, WorkItemRecord, WorkItemSubscriptionRecord
from service.operations.bootstrap import open_ledger
from service.settings import Settings
from service.vocabulary.acquisition import Acquisition, Machine
from service.vocabulary.facts import (
    CloseSource,
    Hold,
    MessageEvent,
    Opinion,
    PrioritySource,
    Reason,
    Shelf,
    Supersession,
)
from service.vocabulary.shadow import Departure, ShadowSource
from service.vocabulary.states import Priority, State
from tests.invariants import Invariant
from tests.service.audit.alerts import alerts
from tests.service.sample_site import SampleSite, prediction

TRIAL = ShadowSource("TRIAL")
ROOM = Acquisition(Machine("Agfa", "DX-D 300", "ROOM1", ""), "PA", None)
EVERYTHING = (Subscription("ris", frozenset(MessageEvent), "all"),)

#: One image's way: of which study and image, in which patient's name, and what becomes of it.
images = st.fixed_dictionaries(
    {
        "study": st.integers(1, 2),
        "image": st.integers(1, 3),
        "patient": st.integers(1, 2),
        "fate": st.sampled_from(["positive", "negative", "excluded", "failed", "held"]),
        "order": st.sampled_from(list(Priority)),
        "ae": st.sampled_from(["LIVE", "TRIAL"]),
        "then": st.sampled_from(["", "read", "opened"]),
    }
)


def go(site: SampleSite, image: dict[str, Any]) -> None:
    """Send an image, and let become of it, and of its study, what it says."""
    site.now += timedelta(seconds=10)
    uid = f"2.25.{image['study']}"
    number = 10 * image["study"] + image["image"]
    site._seed = number - 1  # the same image has the same pixels
    site.receive(
        ae=image["ae"],
        order=image["order"],
        source=PrioritySource.C_STORE,
        study_instance_uid=uid,
        sop_instance_uid=f"2.25.{100 + number}",
        patient_id=f"P{image['patient']}",
        patient_name=f"Patient^{image['patient']}",
        rows=8,
        columns=8,
    )
    while site.ledger.analysis.any_due():
        settle(site, image["fate"])
    site.report("pacs", "archive")
    if image["ae"] == "TRIAL":
        return
    if image["then"] == "read":
        site.ledger.readings.close(uid, CloseSource.PAGE, "Dr. A")
    if image["then"] == "opened":
        site.ledger.readings.reopen(uid, "Dr. A")


def settle(site: SampleSite, fate: str) -> None:
    """Settle the image that waits, as a worker does after a look at the version before."""
    claim = site.claim(attempts=1)
    before, results = claim.predecessor, site.ledger.results
    superseding = Supersession.IDENTITY_CORRECTED if before is not None else None
    digest = claim.sop_instance_uid
    if before is not None and before.identity_digest == claim.identity_digest:
        results.save_duplicate(claim, digest)
    elif fate in ("positive", "negative"):
        found = prediction(0.9 if fate == "positive" else 0.1)
        priority = Priority.URGENT if fate == "positive" else Priority.ROUTINE
        results.save_prediction(
            claim, found, pixel_digest=digest, flags=(), priority=priority, superseding_reason=superseding
        )
    elif fate == "excluded":
        results.save_out_of_scope(
            claim, Reason.LATERAL_VIEW, is_chest=True, pixel_digest=digest, flags=(), superseding_reason=superseding
        )
    elif fate == "held":
        results.save_held(claim, digest)
    else:
        site.ledger.analysis.save_failure(claim, "no", 1, site.now)


def left(site: SampleSite) -> list[tuple[str, str]]:
    """Return what stands in the outboxes, with the AE title that its image came from."""
    row = InstanceRecord
    objects = select(row.calling_ae_title, DeliveryRecord.destination).select_from(DeliveryRecord)
    messages = select(row.calling_ae_title, MessageRecord.event).select_from(MessageRecord)
    with reading(site.engine) as session:
        sent = session.execute(objects.join(ReportRecord).join(row)).all()
        told = session.execute(messages.join(row, row.id == MessageRecord.instance_id)).all()
    return [(title, what) for title, what in (*sent, *told)]


def seen(site: SampleSite) -> list[object]:
    """Return what people and other systems see of a site."""
    lists = [
        [
            (
                study.study_instance_uid,
                study.first_received_at,
                study.reading_rank_at,
                study.priority,
                study.hold,
                study.reading and replace(study.reading, at=site.now, came_after_at=None),
                study.reading is not None and study.reading.came_after_at is not None,
                [(view.sop_instance_uid, view.state, view.result and view.result.outcome) for view in study.instances],
            )
            for study in site.ledger.reading_list.page(100, 0, Wanted(shelf)).studies
        ]
        for shelf in (Shelf.OPEN, Shelf.READ, Shelf.LATE)
    ]
    status = site.ledger.inspection.status()
    counts = (status.studies, status.open_studies, status.came_after, sorted(status.held_studies))
    item, event = WorkItemRecord, WorkItemEventRecord
    with reading(site.engine) as session:
        columns = (StudyRecord.study_instance_uid, item.number, event.event, event.step_state)
        told = session.execute(select(*columns).select_from(event).join(item).join(StudyRecord)).all()
    priors = [
        [prior.study_instance_uid for prior in site.ledger.priors.of(study)]
        for study in sorted(site.ledger.reading_list.page(100).studies, key=_uid)
    ]
    return [*lists, counts, sorted(left(site)), sorted(map(tuple, told)), priors]


def _uid(study: Any) -> str:
    return str(study.study_instance_uid)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a site with its tables, to be copied: to make them takes longer than an example."""
    folder = tmp_path_factory.mktemp("empty") / "data"
    SampleSite(folder).close()
    return folder


@pytest.mark.proves(Invariant.NOTHING_LEAVES_SHADOW)
@settings(max_examples=15, deadline=None)
@given(st.lists(images, min_size=2, max_size=8))
def test_nothing_leaves_a_shadow_source_and_nobody_sees_that_it_sends(
    tmp_path_factory: pytest.TempPathFactory, empty: Path, sequence: Sequence[dict[str, Any]]
) -> None:
    """Of two sites, one gets what the other gets and what a source in shadow sends beside it: they show the same."""
    folders = (Path(copytree(empty, tmp_path_factory.mktemp("site") / "data")) for _ in range(2))
    now = datetime.now(UTC).replace(microsecond=0)
    site, twin = (SampleSite(folder, subscriptions=EVERYTHING, now=now) for folder in folders)
    for one in (site, twin):
        with writing(one.engine) as session:
            session.add(WorkItemSubscriptionRecord(ae_title="STATION", created_at=one.now))
    site.ledger.shadow.enter(TRIAL)
    for image in sequence:
        go(site, image)
        if image["ae"] == "LIVE":
            go(twin, image)
        else:
            twin.now = site.now
    assert [title for title, _ in left(site) if title == "TRIAL"] == []
    assert seen(site) == seen(twin)
    site.close()
    twin.close()


@pytest.fixture
def shadowed(site: SampleSite) -> SampleSite:
    """Give a site with a source in shadow that has sent an image."""
    site.ledger.shadow.enter(TRIAL, "Ada")
    site.receive(ae="TRIAL", acquisition=ROOM)
    site.infer(0.9)
    return site


def test_its_studies_stand_on_a_list_of_their_own_with_their_result(shadowed: SampleSite) -> None:
    lists = shadowed.ledger.reading_list
    assert lists.page(10).total == 0
    (study,) = lists.page(10, 0, Wanted(Shelf.SHADOW)).studies
    assert [view.in_shadow for view in study.instances] == [True]
    assert study.priority is Priority.ROUTINE
    assert lists.page(10, 0, Wanted(Shelf.SHADOW, text="nobody")).total == 0


def test_even_reports_that_a_worker_of_another_version_builds_go_nowhere(shadowed: SampleSite) -> None:
    shadowed.report("pacs")
    with reading(shadowed.engine) as session:
        assert session.scalars(select(ReportRecord)).all() == []
        assert session.scalars(select(InstanceRecord.state)).all() == [State.REPORTED.value]


def test_a_machine_can_be_in_shadow_whatever_it_sends_by(site: SampleSite) -> None:
    site.receive(acquisition=ROOM)
    site.ledger.shadow.enter(ShadowSource(machine_id=1), "Ada")
    site.receive(acquisition=ROOM, ae="OTHER")
    site.receive(acquisition=replace(ROOM, machine=Machine("Agfa", "DX-D 300", "ROOM2", "")))
    assert site.ledger.reading_list.page(10).total == 2


def test_it_leaves_by_the_last_report_of_its_period_and_a_persons_word(shadowed: SampleSite) -> None:
    shadow = shadowed.ledger.shadow
    assert shadow.leave(TRIAL, "d" * 64, "Ada") is Departure.NO_REPORT
    shadow.keep_report(TRIAL, "c" * 64)
    shadow.keep_report(TRIAL, "d" * 64)
    assert shadow.leave(TRIAL, "c" * 64, "Ada") is Departure.OTHER_REPORT
    assert shadow.leave(TRIAL, "d" * 64, "Ada") is Departure.LEFT
    assert shadow.leave(TRIAL, "d" * 64, "Ada") is Departure.NOT_IN_SHADOW
    shadowed.receive(ae="TRIAL", acquisition=ROOM)
    assert shadowed.ledger.reading_list.page(10).total == 1
    # Who comes back has a new period, and leaves it by a report of that.
    shadow.enter(TRIAL)
    assert shadow.leave(TRIAL, "d" * 64, "Ada") is Departure.NO_REPORT


def test_what_was_received_in_shadow_stays_there_when_it_is_analysed_again(shadowed: SampleSite) -> None:
    shadow = shadowed.ledger.shadow
    shadow.keep_report(TRIAL, "d" * 64)
    shadow.leave(TRIAL, "d" * 64, "Ada")
    assert shadowed.ledger.remedies.reanalyse(Which(), lambda _: True) == 1
    shadowed.infer(0.9)
    shadowed.report("pacs")
    assert left(shadowed) == []
    assert shadowed.ledger.reading_list.page(10).total == 0


def test_the_same_image_from_another_source_is_analysed_and_reported(shadowed: SampleSite) -> None:
    """It was acknowledged to a sender that is not in shadow: silence would be a lost image."""
    shadowed._seed -= 1
    shadowed.receive(ae="PACS", acquisition=ROOM)
    shadowed.infer(0.9)
    shadowed.report("pacs")
    assert {title for title, _ in left(shadowed)} == {"PACS"}
    assert shadowed.ledger.reading_list.page(10).total == 1


def test_a_setting_puts_in_and_its_absence_lets_nothing_out(tmp_path: Path) -> None:
    """Fail safe: an edited or lost settings file must not begin to send."""
    SampleSite(tmp_path).close()
    open_ledger(Settings(data_dir=tmp_path, shadow={"ae_titles": ["TRIAL", " SPACED "]})).engine.dispose()
    ledger = open_ledger(settings := Settings(data_dir=tmp_path))
    entered = [("110131", f"{title} was put in shadow by shadow.ae_titles") for title in ("TRIAL", "SPACED")]
    assert alerts(settings) == entered
    assert [view.source for view in ledger.shadow.standing()] == [TRIAL, ShadowSource("SPACED")]
    assert [view.entered_by for view in ledger.shadow.standing()] == [None, None]
    ledger.engine.dispose()


def test_retention_lets_go_what_was_in_shadow(shadowed: SampleSite) -> None:
    shadowed.report("pacs")
    assert len(shadowed.ledger.retention.mark(shadowed.now + timedelta(days=1), 10, lambda _: None)) == 1


def test_of_a_source_that_is_not_in_shadow_nothing_is_not_even_what_no_machine_made(site: SampleSite) -> None:
    """What is no image has no machine: that is not the machine of a period that names an AE title."""
    site.ledger.shadow.enter(TRIAL)
    image = site.receive(ae="PACS", kind=ArrivalKind.NOT_AN_IMAGE, acquisition=ROOM)
    site.receive(ae="TRIAL", kind=ArrivalKind.NOT_AN_IMAGE, acquisition=ROOM)
    with reading(site.engine) as session:
        rows = session.execute(select(InstanceRecord.sop_instance_uid, InstanceRecord.shadow_id)).all()
    assert {uid for uid, shadow in rows if shadow is None} == {image.SOPInstanceUID}
    (study,) = site.ledger.reading_list.page(10, 0, Wanted(Shelf.SHADOW)).studies
    assert study.study_instance_uid != image.StudyInstanceUID


def test_a_study_comes_anew_with_its_first_image_that_is_not_in_shadow(shadowed: SampleSite) -> None:
    """Whoever looked at it in shadow has not read it, and it has not waited since."""
    (study,) = shadowed.ledger.reading_list.page(10, 0, Wanted(Shelf.SHADOW)).studies
    assert shadowed.ledger.readings.close(study.study_instance_uid, CloseSource.PAGE, "Dr. A")
    shadowed.now += timedelta(hours=20)
    other = shadowed.receive(ae="PACS")
    shadowed.now += timedelta(hours=1)
    shadowed.receive(
        ae="PACS", study_instance_uid=study.study_instance_uid, patient_id=study.instances[0].identity.patient_id
    )
    first, last = shadowed.ledger.reading_list.page(10).studies
    assert (first.study_instance_uid, last.study_instance_uid) == (other.StudyInstanceUID, study.study_instance_uid)
    assert last.first_received_at == shadowed.now
    assert last.reading is None
    assert shadowed.ledger.reading_list.count() == 2


def test_what_is_shown_of_an_image_is_not_of_its_version_in_shadow(shadowed: SampleSite) -> None:
    uid = shadowed.receive(ae="PACS", acquisition=ROOM).SOPInstanceUID
    shadowed.infer(0.1)
    live = shadowed.ledger.inspection.instance(uid)
    shadowed.receive(ae="TRIAL", acquisition=ROOM, sop_instance_uid=uid)
    shadowed.infer(0.9)
    assert live is not None
    shown, result = shadowed.ledger.inspection.instance(uid), shadowed.ledger.results.latest(uid)
    assert shown is not None
    assert result is not None
    assert (shown.version, result.object_key, result.prediction.p_pneumonia) == (1, live.object_key, 0.1)


def test_a_version_in_shadow_keeps_nothing_of_another_waiting(site: SampleSite) -> None:
    """Neither its analysis, nor a withdrawal, nor another look at it, nor its bytes beyond their time."""
    site.ledger.shadow.enter(TRIAL)
    uid = str(site.receive(ae="PACS", acquisition=ROOM).SOPInstanceUID)
    site.infer(0.9)
    site.receive(ae="TRIAL", acquisition=ROOM, sop_instance_uid=uid)
    claim = site.claim()
    assert site.ledger.remedies.reanalyse(Which(uid), lambda _: True) == 1
    site.infer(0.9, superseding=Supersession.ANALYSED_AGAIN)
    site.ledger.results.save_held(claim, claim.object_key)
    assert site.ledger.feedback.give(uid, 3, Opinion.DISAGREE, by="Ada", withdraws=True)
    with reading(site.engine) as session:
        rows = session.execute(select(InstanceRecord.version, InstanceRecord.state).order_by(InstanceRecord.version))
        assert [tuple(row) for row in rows] == [
            (1, State.SUPERSEDED.value),
            (2, State.HELD.value),
            (3, State.SUPERSEDED.value),
            (4, State.OUT_OF_SCOPE.value),
        ]
    site.report()
    marked = site.ledger.retention.mark(site.now + timedelta(days=1), 10, lambda _: None)
    assert len(marked) == 3


def test_a_report_of_others_hides_no_image_in_shadow_and_makes_no_prior_of_it(shadowed: SampleSite) -> None:
    """A PACS that is not in shadow sends the final report of a study whose scanner is."""
    (before,) = shadowed.ledger.reading_list.page(10, 0, Wanted(Shelf.SHADOW)).studies
    patient = before.instances[0].identity.patient_id
    uid = before.study_instance_uid
    shadowed.receive(ae="PACS", kind=ArrivalKind.NOT_AN_IMAGE, study_instance_uid=uid, patient_id=patient)
    (study,) = shadowed.ledger.reading_list.page(10, 0, Wanted(Shelf.SHADOW)).studies
    assert [view.in_shadow for view in study.instances] == [True, False]
    shadowed.receive(ae="PACS", acquisition=ROOM, patient_id=patient)
    (later,) = shadowed.ledger.reading_list.page(10).studies
    assert shadowed.ledger.priors.of(later) == ()


def test_a_final_report_on_an_image_in_shadow_alone_does_not_close_the_study(shadowed: SampleSite) -> None:
    (before,) = shadowed.ledger.reading_list.page(10, 0, Wanted(Shelf.SHADOW)).studies
    patient = before.instances[0].identity.patient_id
    same: dict[str, Any] = {"study_instance_uid": before.study_instance_uid, "patient_id": patient}
    live = shadowed.receive(ae="PACS", acquisition=ROOM, **same)
    seen = frozenset({before.instances[0].sop_instance_uid})
    shadowed.receive(ae="PACS", kind=ArrivalKind.NOT_AN_IMAGE, final_evidence=seen, **same)
    assert shadowed.ledger.reading_list.count() == 1
    seen |= {str(live.SOPInstanceUID)}
    shadowed.receive(ae="PACS", kind=ArrivalKind.NOT_AN_IMAGE, final_evidence=seen, **same)
    assert shadowed.ledger.reading_list.count() == 0


def test_an_image_in_shadow_that_is_on_hold_is_let_go_by_itself(shadowed: SampleSite) -> None:
    live = shadowed.receive(ae="PACS", acquisition=ROOM)
    shadowed.infer(0.1)
    uid = str(live.StudyInstanceUID)
    shadowed.receive(ae="TRIAL", acquisition=ROOM, study_instance_uid=uid)
    claim = shadowed.claim()
    shadowed.ledger.results.save_held(claim, claim.object_key)
    history = shadowed.ledger.inspection.history(uid)
    assert history is not None
    assert (history.study.hold, history.hold) == (None, Hold.CLASHING_INSTANCE)
    assert shadowed.ledger.remedies.release(uid, "Ada")
    assert shadowed.ledger.inspection.status().states == {State.INFERRED: 2, State.RECEIVED: 1}
    assert not shadowed.ledger.remedies.release(uid, "Ada")


def test_the_list_s_filter_offers_no_sender_in_shadow(shadowed: SampleSite) -> None:
    shadowed.receive(ae="PACS", acquisition=ROOM)
    shadowed.receive(ae="TRIAL", acquisition=ROOM)
    sources = shadowed.ledger.reading_list.sources
    assert (sources(), sources(Shelf.SHADOW)) == (["PACS"], ["TRIAL"])
