"""One series for each kind in a study: what stands in it never contradicts itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage

from service.report import Equipment, ReportContent, as_sop_class, build
from service.vocabulary.facts import Reason, Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import IMAGE_KINDS, ReportKind
from tests.phantoms import chest
from tests.service.report.samples import EQUIPMENT, content

_DISPLAY = np.full((64, 64), 0.5, dtype=np.float32)
#: What an object says of its patient, study, series and equipment: PS3.3 sections C.7.1, C.7.2, C.7.3, C.7.5, C.17.1.
_MODULES = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription", "AccessionNumber"),
    *("ReferringPhysicianName", "Modality", "SeriesNumber", "SeriesDescription", "SeriesDate", "SeriesTime"),
    *("BodyPartExamined", "Laterality", "ReferencedPerformedProcedureStepSequence", "ConversionType"),
    *("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"),
    *("InstitutionName", "StationName"),
)
_OTHER: dict[str, tuple[Any, ...]] = {
    "patient_name": ("Phantom^Paediatric", "Other^Name"),
    "patient_id": ("PHANTOM-0001", "OTHER"),
    "patient_sex": ("O", "F"),
    "age": ("003Y", "004Y", None),
    "accession_number": ("ACC0001", ""),
    "body_part": ("CHEST", "THORAX"),
    "StudyDescription": (None, "Chest PA", "Chest PA and lateral"),
    "StudyDate": ("20240315", None),
    "StudyID": ("1", "2"),
    "ReferringPhysicianName": (None, "Doctor^Some"),
    "Laterality": (None, "L", "R"),
    "IssuerOfPatientID": (None, "HOSP"),
    "InstitutionName": (None, "A Hospital"),
    "StationName": ("ROOM1", "ROOM2"),
    "view_position": ("PA", "AP"),
    "InstanceNumber": (1, 2),
}


def _built(source: Dataset, what: ReportContent, equipment: Equipment = EQUIPMENT) -> dict[ReportKind, Dataset]:
    objects = build(source, _DISPLAY, what, kinds=IMAGE_KINDS, equipment=equipment)
    return {each.kind: each.dataset for each in objects}


def _modules(dataset: Dataset) -> list[str]:
    return [repr(dataset[keyword].value) if keyword in dataset else "absent" for keyword in _MODULES]


def test_all_images_of_a_study_have_one_series_for_each_kind() -> None:
    study = chest().StudyInstanceUID
    results = [content(Outcome.POSITIVE), content(Outcome.NEGATIVE), content(Outcome.INDETERMINATE)]
    results.append(content(Outcome.NOT_ANALYSED, reason=Reason.LATERAL_VIEW))
    results.append(content(Outcome.POSITIVE, superseding_reason=Supersession.ANALYSED_AGAIN))
    series: dict[ReportKind, set[str]] = {kind: set() for kind in IMAGE_KINDS}
    numbers = []
    for number, what in enumerate(results, start=1):
        source = chest(seed=number, study_instance_uid=study, view_position="PA" if number % 2 else "LL")
        for kind, dataset in _built(source, replace(what, number=number)).items():
            series[kind].add(dataset.SeriesInstanceUID)
            numbers.append((kind, dataset.InstanceNumber))
    assert [len(uids) for uids in series.values()] == [1, 1, 1]
    assert len(set.union(*series.values())) == 3
    assert len(set(numbers)) == len(numbers)
    # OHIF shows the first of several text reports or pictures, and the last of several measurements.
    newest = {kind: [number for other, number in numbers if other is kind] for kind in IMAGE_KINDS}
    assert newest[ReportKind.TEXT_SR] == sorted(newest[ReportKind.TEXT_SR], reverse=True)
    assert newest[ReportKind.SECONDARY_CAPTURE] == sorted(newest[ReportKind.SECONDARY_CAPTURE], reverse=True)
    assert newest[ReportKind.MEASUREMENT_SR] == sorted(newest[ReportKind.MEASUREMENT_SR])


@pytest.mark.parametrize(
    ("changes", "equipment"),
    [
        ({"language": Language.VIETNAMESE}, EQUIPMENT),
        ({}, replace(EQUIPMENT, software_version="1.0.1")),
        ({}, replace(EQUIPMENT, device_serial_number="8")),
        ({}, replace(EQUIPMENT, institution="Other Hospital")),
    ],
)
def test_another_language_or_equipment_has_a_series_of_its_own(changes: dict[str, Any], equipment: Equipment) -> None:
    what = content(Outcome.POSITIVE)
    one, other = _built(chest(), what), _built(chest(), replace(what, **changes), equipment)
    assert not {each.SeriesInstanceUID for each in one.values()} & {each.SeriesInstanceUID for each in other.values()}


_attributes = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in _OTHER.items()})


@settings(max_examples=30)
@given(_attributes, _attributes)
def test_what_shares_a_series_agrees_on_patient_study_series_and_equipment(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    equipment = replace(EQUIPMENT, institution="")
    study = "1.2.3.4"
    first = _built(chest(seed=1, study_instance_uid=study, **one), content(Outcome.NEGATIVE), equipment)
    second = _built(chest(seed=2, study_instance_uid=study, **other), content(Outcome.INDETERMINATE), equipment)
    for kind in IMAGE_KINDS:
        same = first[kind].SeriesInstanceUID == second[kind].SeriesInstanceUID
        assert not same or _modules(first[kind]) == _modules(second[kind])


def test_variants_for_another_sop_class_share_a_series_of_their_own() -> None:
    kind, series = ReportKind.MEASUREMENT_SR, set()
    for seed in (1, 2):
        report = _built(chest(seed=seed, study_instance_uid="1.2.3.4"), content(Outcome.NEGATIVE))[kind]
        variant = as_sop_class(kind, report, ComprehensiveSRStorage)
        series |= {report.SeriesInstanceUID, variant.series_instance_uid}
    assert len(series) == 2
