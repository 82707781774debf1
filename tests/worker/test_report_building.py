"""Reports that cannot be built: what is at fault with them, and what with the resources that they need."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from sqlalchemy import update

from service.ledger.database import writing
from service.ledger.records import DeliveryRecord
from service.objects import LocalStore
from service.vocabulary.errors import StoreUnavailable
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.worker.conftest import Gateway, destination


def _away(*_: object) -> None:
    raise StoreUnavailable("the store is away")


@pytest.mark.proves(Invariant.STORE_AWAY_DELAYS)
@pytest.mark.parametrize("step", ["read", "put"])
def test_a_store_that_is_away_for_long_costs_no_image_its_reports(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made: Gateway = gateway(destination())
    made.receive(chest(1))
    made.infer()
    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, step, _away)
        for _ in range(made.settings.analysis.maximum_attempts + 2):
            assert made.build() == 1  # tried, and put off
            assert made.build() == 0
            made.clock.turn(seconds=200)  # longer than a lease
    assert [row.state for row in made.instances] == ["inferred"]
    assert made.events.count("reports put off") == made.settings.analysis.maximum_attempts + 2

    made.build()
    assert [row.state for row in made.instances] == ["reported"]
    assert len(made.reports) == 3


def test_couriers_hear_of_the_first_reports_before_a_backlog_is_built(gateway: Any) -> None:
    made: Gateway = gateway(destination() | {"reports": ["text_sr"]})
    for seed in range(5):
        made.receive(chest(seed))
    made.infer()
    heard: list[int] = []
    assert made.build(ready=lambda: heard.append(len(made.reports))) == 5
    assert heard == [4, 5]


def _lost(made: Gateway) -> None:
    made.store.path(made.instances[0].object_key).unlink()


def _damaged(made: Gateway) -> None:
    path = made.store.path(made.instances[0].object_key)
    path.chmod(0o600)
    path.write_bytes(b"what a disk made of it")


@pytest.mark.proves(Invariant.ACKNOWLEDGED_IS_TOLD_OF)
@pytest.mark.parametrize("befall", [_lost, _damaged])
def test_an_image_whose_bytes_cannot_be_had_is_reported_from_what_the_ledger_knows(
    gateway: Any, befall: Callable[[Gateway], None]
) -> None:
    """Silence must never read as normal: the report needs identity and reason, and the ledger has both.

    PS3.3 C.7.1.1 and C.7.2.1: what a report says of patient and study is Type 1 or 2.
    """
    made: Gateway = gateway(destination())
    image = chest(1)
    made.receive(image)
    befall(made)
    for _ in range(made.settings.analysis.maximum_attempts):
        made.infer()
        made.clock.turn(seconds=200)
    assert [row.state for row in made.instances] == ["failed"]

    made.build()
    (row,) = made.reports
    report = dcmread(BytesIO(made.store.read(row.object_key)))
    assert (row.kind, row.outcome) == ("text_sr", "not analysed")
    assert report.StudyInstanceUID == image.StudyInstanceUID
    assert (report.PatientID, report.PatientName, report.PatientBirthDate) == (
        image.PatientID,
        image.PatientName,
        image.PatientBirthDate,
    )
    referenced = report.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence[0]
    assert referenced.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == image.SOPInstanceUID


def test_each_destination_reads_its_own_language_and_a_correction_follows_in_it(gateway: Any) -> None:
    made: Gateway = gateway(
        destination() | {"reports": ["text_sr"]},
        destination() | {"name": "hanoi", "language": "vi", "reports": ["text_sr"]},
    )
    made.receive(chest(1))
    made.infer()
    made.build()
    first = {row.language: row for row in made.reports}
    sent = {row.destination: row.report_id for row in made.deliveries}
    assert set(first) == {"en-US", "vi"}
    assert sent["hanoi"] == first["vi"].id
    assert len(sent) == len(set(sent.values())) == 2
    text = made.store.read(first["vi"].object_key).decode(errors="replace")
    assert "KHÔNG" in text or "NGHI" in text or "không thấy" in text

    with writing(made.ledger.engine) as session:
        session.execute(update(DeliveryRecord).values(attempts=1))
    made.receive(chest(1, patient_name="Corrected^Name"))
    made.infer()
    made.build()
    later = [row for row in made.reports if row.id not in {report.id for report in first.values()}]
    assert {row.language for row in later} == {"en-US", "vi"}
    for row in later:
        document = dcmread(BytesIO(made.store.read(row.object_key)))
        [study] = document.PredecessorDocumentsSequence
        named = study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        assert named == first[row.language].sop_instance_uid


def test_a_study_of_two_images_has_one_series_for_each_kind(gateway: Any) -> None:
    made: Gateway = gateway(destination())
    study = str(chest(1).StudyInstanceUID)
    for seed, view in ((1, "PA"), (2, "LL"), (3, "AP")):
        made.receive(chest(seed, study_instance_uid=study, view_position=view))
        made.infer()
        made.build()
    kinds = [row.kind for row in made.reports]
    assert sorted(kinds) == ["measurement_sr"] * 2 + ["secondary_capture"] * 2 + ["text_sr"] * 3
    series = {(row.kind, row.series_instance_uid) for row in made.reports}
    assert len(series) == 3
    reports = [dcmread(BytesIO(made.store.read(row.object_key))) for row in made.reports]
    assert len({(report.SeriesInstanceUID, report.InstanceNumber) for report in reports}) == len(reports)
