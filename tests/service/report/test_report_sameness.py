"""One UID never names two contents, and one content never has two UIDs or other bytes."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from service.report import Equipment, ReportContent, build
from service.vocabulary.facts import PrioritySource, Reason, Supersession
from service.vocabulary.findings import Finding, Outcome, Prediction
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import IMAGE_KINDS, ReportKind
from service.vocabulary.states import Priority
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.service.report.samples import EQUIPMENT, FINDINGS, activation, content, prediction

_OTHER_PREDICTION: dict[str, Any] = {
    "probabilities": {"normal": 0.05, "bacteria": 0.82, "virus": 0.13},
    "findings": FINDINGS | {"virus": Finding.BACTERIAL_PNEUMONIA},
    "p_pneumonia": 0.9601,
    "pneumonia_type": None,
    "operating_point": "sensitive",
    "lower": 0.31,
    "upper": 0.61,
    "prevalence": 0.21,
    "checkpoint_name": "cxr-resnet101",
    "checkpoint_version": "1.1",
    "checkpoint_digest": "ef" * 32,
    "transform": "crop 224",
    "calibration_digest": "cd" * 32,
    "input_digest": "00" * 32,
    "cam": activation() * np.float32(0.99),
}
_OTHER_CONTENT: dict[str, Any] = {
    "flags": (),
    "priority": Priority.STAT,
    "priority_source": PrioritySource.C_STORE,
    "content_time": datetime(2026, 11, 22, 16, 50, 2, tzinfo=UTC),
    "pixel_digest": "3" * 64,
    "identity_digest": "4" * 64,
    "limits": "other limits",
    "population": "adults",
    "superseding_reason": Supersession.IMAGE_REPLACED,
    "language": Language.VIETNAMESE,
    "after_reading": True,
    "number": 2,
    "type_margin": 0.3,
    "other_images": (Outcome.NEGATIVE,),
}
_OTHER_EQUIPMENT: dict[str, Any] = {
    "software_version": "1.0.1",
    "device_serial_number": "8",
    "institution": "Other Hospital",
    "content_qualification": "PRODUCT",
}
_OTHER_SOURCE: dict[str, Any] = {
    "PatientName": "Other^Name",
    "PatientID": "OTHER",
    "PatientBirthDate": "20200101",
    "PatientSex": "F",
    "AccessionNumber": "ACC2",
    "StudyDate": "20250101",
    "StudyTime": "120000",
    "StudyID": "2",
    "ReferringPhysicianName": "Other^Doctor",
    "StudyDescription": "Other",
    "PatientAge": "004Y",
    "StationName": "ROOM2",
    "SOPInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.4",
    "StudyInstanceUID": "1.2.5",
    "ViewPosition": "AP",
    "ImageLaterality": "L",
    "InstanceNumber": 2,
    "SeriesNumber": 2,
}

_KINDS = IMAGE_KINDS


def _uids(what: ReportContent, equipment: Equipment = EQUIPMENT, source: Dataset | None = None) -> list[str]:
    source = source or chest()
    display = np.full((source.Rows, source.Columns), 0.5, dtype=np.float32)
    return [each.sop_instance_uid for each in build(source, display, what, kinds=_KINDS, equipment=equipment)]


def _changes() -> Iterator[tuple[str, ReportContent, Equipment, dict[str, Any]]]:
    what = content(Outcome.POSITIVE)
    for name, value in _OTHER_PREDICTION.items():
        yield name, replace(what, prediction=prediction(Outcome.POSITIVE, **{name: value})), EQUIPMENT, {}
    for name, value in _OTHER_CONTENT.items():
        yield name, replace(what, **{name: value}), EQUIPMENT, {}
    for name, value in _OTHER_EQUIPMENT.items():
        yield name, what, replace(EQUIPMENT, **{name: value}), {}
    for name, value in _OTHER_SOURCE.items():
        yield name, what, EQUIPMENT, {name: value}


@pytest.fixture(scope="module")
def reference() -> list[str]:
    return _uids(content(Outcome.POSITIVE))


@pytest.mark.proves(Invariant.UID_NAMES_ONE_CONTENT)
@pytest.mark.parametrize(
    ("what", "equipment", "attributes"), [pytest.param(*change, id=name) for name, *change in _changes()]
)
def test_changing_any_part_of_the_content_changes_every_uid(
    what: ReportContent, equipment: Equipment, attributes: dict[str, Any], reference: list[str]
) -> None:
    assert len(reference) == 3
    assert not set(reference) & set(_uids(what, equipment, chest(**attributes)))


def test_the_changes_above_cover_every_field() -> None:
    # The outcome decides which other fields may be set, so it has a test of its own; the runtime is in no object.
    assert {field.name for field in fields(Prediction)} - set(_OTHER_PREDICTION) == {"outcome", "runtime"}
    covered_elsewhere = {"outcome", "prediction", "reason", "attempted"}
    assert {field.name for field in fields(ReportContent)} - set(_OTHER_CONTENT) == covered_elsewhere
    assert {field.name for field in fields(Equipment)} == set(_OTHER_EQUIPMENT)


def test_each_outcome_reason_and_attempt_has_uids_of_its_own() -> None:
    contents = [content(outcome) for outcome in Outcome]
    contents.append(content(Outcome.NOT_ANALYSED, reason=Reason.BLANK))
    contents.append(content(Outcome.NOT_ANALYSED, attempted=True))
    uids = [uid for what in contents for uid in _uids(what)]
    assert len(uids) == len(set(uids)) == 3 * 3 + 3


def test_other_pixels_on_the_picture_are_another_secondary_capture() -> None:
    source, what = chest(), content(Outcome.NEGATIVE)
    captures = []
    for grey in (0.25, 0.75):
        display = np.full((source.Rows, source.Columns), grey, dtype=np.float32)
        captures += build(source, display, what, kinds=[ReportKind.SECONDARY_CAPTURE], equipment=EQUIPMENT)
    assert captures[0].sop_instance_uid != captures[1].sop_instance_uid


def test_the_recorded_runtime_does_not_change_a_report(reference: list[str]) -> None:
    other = content(Outcome.POSITIVE, prediction=prediction(Outcome.POSITIVE, runtime={"name": "torch"}))
    assert _uids(other) == reference


def _digests() -> str:
    source = chest()
    display = np.linspace(0, 1, source.Rows * source.Columns, dtype=np.float32).reshape(source.Rows, source.Columns)
    digests = []
    for outcome in Outcome:
        objects = build(source, display, content(outcome), kinds=_KINDS, equipment=EQUIPMENT)
        digests += [hashlib.sha256(each.encoded()).hexdigest() for each in objects]
        digests += [hashlib.sha256(each.encoded()).hexdigest() for each in objects]
    return "\n".join(digests)


@pytest.mark.proves(Invariant.UID_NAMES_ONE_CONTENT)
def test_the_same_content_gives_the_same_bytes_later_and_in_another_process() -> None:
    first = _digests()
    time.sleep(1.1)  # longer than the resolution of a DICOM time, so that any clock that was read shows
    assert _digests() == first
    program = "from tests.service.report.test_report_sameness import _digests; print(_digests())"
    elsewhere = os.environ | {"PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=90, env=elsewhere
    )
    assert printed.stdout.strip() == first


def test_every_date_and_time_of_a_report_comes_from_the_content() -> None:
    source = chest()
    display = np.zeros((source.Rows, source.Columns), dtype=np.float32)
    when = datetime(2031, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=7)))
    what = content(Outcome.POSITIVE, content_time=when)
    copied = ("PatientBirthDate", "StudyDate", "StudyTime")
    for each in build(source, display, what, kinds=_KINDS, equipment=EQUIPMENT):
        for element in each.dataset.iterall():
            if element.VR in ("DA", "TM", "DT") and element.keyword not in copied:
                assert str(element.value) in ("20310102", "030405", "20310102030405+0700"), element.keyword


def test_times_are_written_in_the_zone_that_the_source_states() -> None:
    source = chest(TimezoneOffsetFromUTC="-0330")
    [report] = build(source, None, content(Outcome.NOT_ANALYSED), kinds=_KINDS, equipment=EQUIPMENT)
    assert (report.dataset.ContentDate, report.dataset.ContentTime) == ("20261122", "132001")
    assert report.dataset.TimezoneOffsetFromUTC == "-0330"
