"""Retention: only what is settled goes, the oldest first, and what comes again is there again."""

import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydicom import Dataset
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.audit import AuditTrail
from service.ledger import Arrival, SentObject
from service.ledger.admission import Registered
from service.ledger.database import writing
from service.ledger.records import InstanceRecord, ReportRecord
from service.operations.retention import Removed, RetentionRounds
from service.settings import RetentionSettings
from service.vocabulary.errors import ObjectMissing, StoreUnavailable
from service.vocabulary.facts import Reason
from service.vocabulary.states import DeliveryState
from tests import phantoms
from tests.invariants import Invariant
from tests.service.audit.test_audit import GRAMMAR
from tests.service.sample_site import LEASE, SampleSite, identity_of

SMALL: dict[str, Any] = {"rows": 16, "columns": 16}


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty site on each database."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    site = SampleSite(tmp_path / "data", url)
    yield site
    site.close()


def rounds(site: SampleSite, **limits: Any) -> RetentionRounds:
    trail = AuditTrail(site.settings, lambda: site.now)
    return RetentionRounds(RetentionSettings(**limits), site.ledger, site.store, trail, lambda: site.now, batch=2)


def sweep(site: SampleSite, **limits: Any) -> Removed:
    """Go once round the whole store, as if every object had been written long ago."""
    for path in site.settings.objects_dir.glob("??/*"):
        os.utime(path, (0, 0))
    return rounds(site, **limits).once(parts=256)


def delivered(site: SampleSite, state: DeliveryState = DeliveryState.CONFIRMED) -> Dataset:
    """Bring a positive image to its reports' destination."""
    dataset = site.receive(**SMALL)
    site.infer(0.9)
    site.report("pacs")
    site.deliver("pacs", state)
    return dataset


def register_again(site: SampleSite, dataset: Dataset) -> Registered:
    """Let an image arrive once more."""
    stored = site.store.put(phantoms.encoded(dataset))
    arrival = Arrival(identity_of(dataset), "1.2.840.10008.1.2.1", stored, "MODALITY")
    return site.ledger.admission.register(arrival, site.store.holds).registered


def rows(site: SampleSite) -> tuple[list[InstanceRecord], list[ReportRecord]]:
    with Session(site.engine) as session:
        return list(session.scalars(select(InstanceRecord))), list(session.scalars(select(ReportRecord)))


def test_what_retention_removes_is_in_the_audit_trail(site: SampleSite) -> None:
    dataset = delivered(site)
    site.now += timedelta(days=2)
    sweep(site, after_days=1)
    (line,) = site.settings.audit_file.read_bytes().splitlines()
    message = etree.fromstring(line)
    GRAMMAR.assertValid(message)
    event = message.find("EventIdentification")
    assert (event.get("EventActionCode"), event.find("EventID").get("csd-code")) == ("D", "110103")
    study, patient = message.findall("ParticipantObjectIdentification")
    gone = {instance.get("UID") for instance in study.iter("Instance")}
    assert gone == {dataset.SOPInstanceUID, *(report.sop_instance_uid for report in rows(site)[1])}
    assert patient.get("ParticipantObjectID") == dataset.PatientID


def test_a_removal_is_in_the_audit_trail_before_it_counts(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> None:
    delivered(site)
    site.now += timedelta(days=2)
    note = AuditTrail.note

    def note_and_crash(self: AuditTrail, *arguments: Any, **named: Any) -> None:
        note(self, *arguments, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(AuditTrail, "note", note_and_crash)
        with pytest.raises(KeyboardInterrupt):
            sweep(site, after_days=1)
    (instance,), _ = rows(site)
    assert len(site.settings.audit_file.read_bytes().splitlines()) == 1
    assert instance.object_removed_at is None


def test_without_a_limit_nothing_settled_ever_goes(site: SampleSite) -> None:
    delivered(site)
    site.now += timedelta(days=10_000)

    assert sweep(site) == Removed()


def test_an_image_and_its_reports_go_once_they_are_old_and_confirmed(either: SampleSite) -> None:
    delivered(either)
    assert sweep(either, after_days=30).by_age == 0
    either.now += timedelta(days=31)

    assert sweep(either, after_days=30).by_age == 3
    (instance,), reports = rows(either)
    assert instance.object_removed_at == either.now
    assert {report.object_removed_at for report in reports} == {either.now}
    for key in (instance.object_key, *(report.object_key for report in reports)):
        with pytest.raises(ObjectMissing):
            either.store.read(key)
    assert sweep(either, after_days=30) == Removed()


@pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.DEAD])
def test_what_no_destination_confirmed_never_goes(site: SampleSite, state: DeliveryState) -> None:
    delivered(site, state)
    site.now += timedelta(days=10_000)

    assert sweep(site, after_days=1) == Removed()


@pytest.mark.proves(Invariant.RETENTION_IS_SAFE)
@pytest.mark.parametrize("why", [None, "the destination offers no C-FIND"])
def test_what_a_destination_took_that_is_not_asked_or_cannot_say_goes(site: SampleSite, why: str | None) -> None:
    site.receive(**SMALL)
    site.infer(0.9)
    site.report("pacs", "research")
    outbox = site.ledger.outbox
    for due in outbox.claim("courier", "research", DeliveryState.PENDING, 100, LEASE):
        outbox.save_sent([SentObject(due, 0x0000, unconfirmable=why)])
    site.now += timedelta(days=2)
    assert sweep(site, after_days=1) == Removed(), "the other destination has not taken them yet"

    site.deliver("pacs")
    assert sweep(site, after_days=1).by_age == 3


def test_what_waits_failed_or_is_held_never_goes(site: SampleSite) -> None:
    study = str(delivered(site).StudyInstanceUID)
    site.receive(**SMALL, study_instance_uid=study, patient_id="SOMEBODY-ELSE", patient_name="Else^Somebody")
    site.infer(0.1)
    site.receive(**SMALL)
    site.fail("the pixel data cannot be decoded")
    site.report()
    site.receive(**SMALL)
    site.now += timedelta(days=10_000)

    assert sweep(site, after_days=1) == Removed()


def test_an_image_that_nothing_was_due_for_goes_by_age(site: SampleSite) -> None:
    site.receive(**SMALL)
    site.exclude(Reason.LATERAL_VIEW)
    site.report()
    site.now += timedelta(days=2)

    assert sweep(site, after_days=1).by_age == 2  # the report was built, and wanted by nobody


def test_bytes_that_come_again_are_kept_again_and_are_no_new_image(either: SampleSite) -> None:
    dataset = delivered(either)
    either.now += timedelta(days=2)
    sweep(either, after_days=1)

    assert register_again(either, dataset) is Registered.KNOWN
    (instance,), _ = rows(either)
    assert instance.object_removed_at is None
    assert either.store.read(instance.object_key) == phantoms.encoded(dataset)
    assert not either.ledger.analysis.any_due()

    # Just written, it stays for now, whatever the age of its row.
    rounds(either, after_days=1).once(parts=256)
    assert either.store.holds(instance.object_key)
    assert sweep(either, after_days=1).orphans == 1


@pytest.mark.proves(Invariant.RETENTION_IS_SAFE)
def test_an_image_is_not_registered_when_the_same_bytes_are_being_removed(either: SampleSite) -> None:
    dataset = delivered(either)
    either.now += timedelta(days=2)
    stored = either.store.put(phantoms.encoded(dataset))
    arrival = Arrival(identity_of(dataset), "1.2.840.10008.1.2.1", stored, "MODALITY")
    keys = either.ledger.retention.mark(either.now, 1, lambda _: None)[0].keys
    refused: list[StoreUnavailable] = []

    def register() -> None:
        try:
            either.ledger.admission.register(arrival, either.store.holds)
        except StoreUnavailable as error:
            refused.append(error)

    listener = threading.Thread(target=register)

    def remove() -> int:
        listener.start()
        listener.join(0.3)
        assert listener.is_alive(), "the registration waits for the removal"
        return either.store.remove(stored.key, 0)

    assert either.ledger.retention.remove(keys[0], remove) > 0
    listener.join(20)
    assert len(refused) == 1

    # The sender got 0xA700 and sends again.
    assert register_again(either, dataset) is Registered.KNOWN


def test_bytes_that_two_rows_name_go_with_the_last(site: SampleSite) -> None:
    dataset = delivered(site)
    (instance,), _ = rows(site)
    with writing(site.engine) as session:
        second = InstanceRecord(
            **{
                column.key: getattr(instance, column.key)
                for column in InstanceRecord.__table__.columns
                if column.key not in ("id", "sop_instance_uid", "state")
            },
            sop_instance_uid=f"{dataset.SOPInstanceUID}.1",
            state="failed",
        )
        session.add(second)
    site.now += timedelta(days=2)

    assert sweep(site, after_days=1).by_age == 2  # the reports alone
    assert site.store.holds(instance.object_key)


def test_a_crash_between_the_mark_and_the_removal_leaves_what_the_next_round_removes(
    site: SampleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered(site)
    site.now += timedelta(days=2)

    def crash(_key: str, _age: float) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(site.store, "remove", crash)
        with pytest.raises(KeyboardInterrupt):
            sweep(site, after_days=1)
    (instance,), _ = rows(site)
    assert instance.object_removed_at is not None
    assert site.store.holds(instance.object_key)

    assert sweep(site, after_days=1).orphans == 3
    assert not site.store.holds(instance.object_key)


def test_what_no_row_names_goes_after_its_time_and_not_before(site: SampleSite) -> None:
    kept = site.receive(**SMALL)
    orphan = site.store.put(b"its registration failed")

    assert rounds(site).once(parts=256) == Removed()
    assert sweep(site).orphans == 1
    assert not site.store.holds(orphan.key)
    assert site.store.read(rows(site)[0][0].object_key) == phantoms.encoded(kept)


def test_a_file_that_is_no_object_is_left_alone(site: SampleSite) -> None:
    stray = site.settings.objects_dir / "ab" / "README"
    stray.write_text("left by a person")

    assert sweep(site) == Removed()
    assert stray.exists()


def test_above_the_high_watermark_the_oldest_go_down_to_the_low_one(site: SampleSite) -> None:
    for _ in range(12):
        site.receive(**SMALL)
        site.exclude(Reason.LATERAL_VIEW)
        site.report("pacs")
        site.deliver("pacs")
        site.now += timedelta(hours=2)
    waiting = site.receive(**SMALL, at=site.now - timedelta(days=300))
    site.now += timedelta(days=300)
    size = sum(path.stat().st_size for path in site.settings.objects_dir.glob("??/*"))

    assert sweep(site, quota_bytes=size, high_watermark=1.0, low_watermark=0.5) == Removed()
    removed = sweep(site, quota_bytes=int(size / 1.1), high_watermark=1.0, low_watermark=0.8)
    assert removed.bytes > 0.3 * size / 1.1
    gone = [
        row.object_removed_at is not None for row in rows(site)[0] if row.sop_instance_uid != waiting.SOPInstanceUID
    ]
    assert gone == sorted(gone, reverse=True), "the oldest first"
    assert 0 < sum(gone) < 12


def test_a_store_that_is_full_of_what_may_not_go_is_said_once(
    site: SampleSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.receive(**SMALL)
    full = rounds(site, quota_bytes=1, high_watermark=0.9)
    full.once()
    full.once()

    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "may go" in caplog.text
