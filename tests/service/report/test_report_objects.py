"""The objects, as programs that nobody here wrote read them."""

import subprocess
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from service.report import BuiltObject, ReportContent, StudyContent, as_sop_class, build, codes, overlay
from service.report.making.concepts import coded
from service.report.region import WHOLE_IMAGE, Localisation
from service.vocabulary.facts import Failure
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.report_kinds import IMAGE_KINDS, OWN_SCHEME, STUDY_KINDS, ReportKind
from service.vocabulary.uids import is_own_uid
from tests.phantoms import SopClass, chest
from tests.service.report.samples import ANALYSED, EQUIPMENT, activation, content, prediction, radiograph

ALL = IMAGE_KINDS
_OPTIONAL: dict[str, Any] = dict.fromkeys(
    (
        "PatientID",
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyID",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "PatientOrientation",
        "StudyDescription",
        "PatientAge",
        "Manufacturer",
        "BodyPartExamined",
        "ViewPosition",
    )
)


def built(source: Dataset, what: ReportContent, predecessors: tuple[Dataset, ...] = ()) -> list[BuiltObject]:
    """Build the whole report set, each report as each SOP class that can hold it."""
    objects = build(
        source, radiograph(source.Rows, source.Columns), what, kinds=ALL, equipment=EQUIPMENT, predecessors=predecessors
    )
    return [variant for report in objects for variant in variants(report)]


def of_study(source: Dataset, what: ReportContent) -> Iterator[BuiltObject]:
    """Yield two versions of a study's text report, each as each SOP class: a second image waits, and has a result."""
    second = chest(77, study_instance_uid=str(source.StudyInstanceUID))
    earlier: list[Dataset] = []
    for number, found in enumerate((None, content(Outcome.NEGATIVE)), start=1):
        study = StudyContent(
            ((source, what), (second, found)), priority=what.priority, priority_source=None, number=number
        )
        [report] = build(source, None, what, kinds=STUDY_KINDS, equipment=EQUIPMENT, predecessors=earlier, study=study)
        yield from variants(report)
        earlier = [report.dataset]


def variants(report: BuiltObject) -> Iterator[BuiltObject]:
    """Yield a report as each SOP class that can hold it."""
    for sop_class_uid in report.kind.sop_classes:
        yield as_sop_class(report.kind, report.dataset, sop_class_uid)


def items(dataset: Dataset) -> Iterator[Dataset]:
    """Yield a content item and all below it."""
    yield dataset
    for child in dataset.get("ContentSequence", []):
        yield from items(child)


def only(kind: ReportKind, what: ReportContent, source: Dataset | None = None) -> Dataset:
    [dataset] = [report.dataset for report in built(source or chest(), what) if report.kind is kind][:1]
    return dataset


def codes_of(dataset: Dataset) -> set[tuple[str, str]]:
    return {
        (code.CodeValue, code.CodingSchemeDesignator)
        for item in items(dataset)
        for keyword in ("ConceptNameCodeSequence", "ConceptCodeSequence")
        for code in item.get(keyword, [])
    }


def texts(dataset: Dataset) -> list[str]:
    return [item.TextValue for item in items(dataset) if item.get("ValueType") == "TEXT"]


def _cases() -> Iterator[tuple[str, Dataset, ReportContent]]:
    for outcome in Outcome:
        yield outcome.value, chest(sop_class="DX"), content(outcome)
    yield "failed", chest(), content(Outcome.NOT_ANALYSED, attempted=True, reason=Failure.ANALYSIS_FAILED)
    yield "bare source", chest(**_OPTIONAL), content(Outcome.POSITIVE)
    yield "thorax", chest(body_part="THORAX", Laterality="R"), content(Outcome.POSITIVE)
    yield "secondary capture", chest(sop_class="SC"), content(Outcome.INDETERMINATE)
    undetermined = prediction(Outcome.POSITIVE, pneumonia_type=None, cam=np.zeros((7, 7), dtype=np.float32))
    yield "undetermined", chest(), content(Outcome.POSITIVE, prediction=undetermined)


@pytest.mark.parametrize(("source", "what"), [pytest.param(*case, id=name) for name, *case in _cases()])
def test_every_object_is_valid_to_dciodvfy_and_readable_to_dcmtk_and_pydicom(
    source: Dataset, what: ReportContent, program: Callable[[str], str], tmp_path: Path
) -> None:
    for number, report in enumerate([*built(source, what), *of_study(source, what)]):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(report.encoded())
        verdict = subprocess.run([program("dciodvfy"), path], capture_output=True, text=True, check=False, timeout=60)
        assert [line for line in (verdict.stdout + verdict.stderr).splitlines() if line.startswith("Error")] == []
        again = dcmread(path)
        assert again.SOPInstanceUID == again.file_meta.MediaStorageSOPInstanceUID == report.sop_instance_uid
        assert again.SOPClassUID == again.file_meta.MediaStorageSOPClassUID == report.sop_class_uid
        assert again.StudyInstanceUID == source.StudyInstanceUID
        if report.kind is ReportKind.SECONDARY_CAPTURE:
            assert again.pixel_array.shape == (again.Rows, again.Columns, 3)
        else:
            dump = subprocess.run(
                [program("dsrdump"), "+Pc", "+Pu", "+Pl", path], capture_output=True, text=True, check=True, timeout=60
            )
            assert "CONTAINER" in dump.stdout
            assert "E: " not in dump.stderr


def test_each_kind_stands_in_a_series_of_its_own_that_is_not_the_images() -> None:
    source = chest()
    objects = built(source, content(Outcome.POSITIVE))
    assert len({report.series_instance_uid for report in objects}) == len(objects) == 6
    assert len({report.sop_instance_uid for report in objects}) == 6
    assert source.SeriesInstanceUID not in {report.series_instance_uid for report in objects}


def test_the_versions_of_a_studys_report_stand_in_one_series_and_the_later_one_names_the_earlier() -> None:
    source = chest(Laterality="R")  # of this image alone: the other one has none
    first, _, second, variant = (report.dataset for report in of_study(source, content(Outcome.POSITIVE)))
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert second.InstanceNumber < first.InstanceNumber
    [series] = second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == first.SOPInstanceUID
    assert not [item for item in items(variant) if item.get("ValueType") == "NUM"]
    [study] = second.CurrentRequestedProcedureEvidenceSequence
    assert len(study.ReferencedSeriesSequence) == 2


def test_an_image_that_was_not_analysed_gets_the_text_report_alone() -> None:
    assert {report.kind for report in built(chest(), content(Outcome.NOT_ANALYSED))} == {ReportKind.TEXT_SR}


def test_a_secondary_capture_without_display_values_is_refused() -> None:
    with pytest.raises(ValueError, match="display values"):
        build(chest(), None, content(Outcome.POSITIVE), kinds=ALL, equipment=EQUIPMENT)


@pytest.mark.parametrize(
    ("outcome", "asserted"),
    [
        (Outcome.POSITIVE, ("52101004", "SCT")),
        (Outcome.NEGATIVE, ("272519000", "SCT")),
        (Outcome.INDETERMINATE, ("373068000", "SCT")),
    ],
)
@pytest.mark.parametrize("kind", [ReportKind.TEXT_SR, ReportKind.MEASUREMENT_SR])
def test_each_outcome_asserts_its_assessment_and_only_a_positive_a_finding(
    kind: ReportKind, outcome: Outcome, asserted: tuple[str, str]
) -> None:
    said = codes_of(only(kind, content(outcome)))
    assert said & {("52101004", "SCT"), ("272519000", "SCT"), ("373068000", "SCT")} == {asserted}
    pneumonia = said & {("233604007", "SCT"), ("53084003", "SCT"), ("75570004", "SCT")}
    assert pneumonia == ({("53084003", "SCT")} if outcome is Outcome.POSITIVE else set())
    assert not said & {("17621005", "SCT"), ("281900007", "SCT")}, "normal is never asserted"


@pytest.mark.parametrize(
    ("pneumonia_type", "code"),
    [(None, "233604007"), (Finding.BACTERIAL_PNEUMONIA, "53084003"), (Finding.VIRAL_PNEUMONIA, "75570004")],
)
def test_the_finding_of_a_positive_is_as_specific_as_the_prediction(pneumonia_type: Finding | None, code: str) -> None:
    what = content(Outcome.POSITIVE, prediction=prediction(Outcome.POSITIVE, pneumonia_type=pneumonia_type))
    for kind in (ReportKind.TEXT_SR, ReportKind.MEASUREMENT_SR):
        assert (code, "SCT") in codes_of(only(kind, what))


@pytest.mark.parametrize(("attempted", "code"), [(False, "111225"), (True, "111224")])
def test_a_report_without_analysis_says_how_far_it_came_and_no_probability(attempted: bool, code: str) -> None:
    document = only(ReportKind.TEXT_SR, content(Outcome.NOT_ANALYSED, attempted=attempted))
    assert codes_of(document) & {("111224", "DCM"), ("111225", "DCM")} == {(code, "DCM")}
    assert ("PPNEU", "99AUSCULT") not in codes_of(document)
    assert ("PNEUMO", "99AUSCULT") not in codes_of(document)
    assert any("NOT ANALYSED: lateral view" in text for text in texts(document))


def test_each_series_tells_what_it_holds_and_no_result() -> None:
    for outcome in ANALYSED:
        reports = built(chest(), content(outcome))
        assert {report.kind: report.dataset.SeriesDescription for report in reports} == {
            ReportKind.TEXT_SR: "AI report (preliminary)",
            ReportKind.MEASUREMENT_SR: "AI measurements (preliminary)",
            ReportKind.SECONDARY_CAPTURE: "AI image (preliminary)",
        }


def test_documents_are_complete_preliminary_and_unverified() -> None:
    for report in built(chest(), content(Outcome.POSITIVE)):
        dataset = report.dataset
        assert dataset.ContentQualification == "RESEARCH"
        assert (dataset.Manufacturer, dataset.SoftwareVersions, dataset.DeviceSerialNumber) == ("auscult", "1.0.0", "7")
        assert dataset.InstitutionName == "General Hospital"
        if report.kind is not ReportKind.SECONDARY_CAPTURE:
            assert (dataset.CompletionFlag, dataset.PreliminaryFlag) == ("COMPLETE", "PRELIMINARY")
            assert dataset.VerificationFlag == "UNVERIFIED"
            schemes = [item.CodingSchemeDesignator for item in dataset.CodingSchemeIdentificationSequence]
            assert schemes == ["99AUSCULT"]
            [request] = dataset.ReferencedRequestSequence
            assert request.AccessionNumber == "ACC0001"


def test_every_container_is_separate() -> None:
    for report in built(chest(), content(Outcome.POSITIVE)):
        containers = [item for item in items(report.dataset) if item.get("ValueType") == "CONTAINER"]
        assert {item.ContinuityOfContent for item in containers} <= {"SEPARATE"}


def test_the_device_uid_changes_with_the_checkpoint() -> None:
    def device_uids(digest: str) -> set[str]:
        what = content(Outcome.POSITIVE, prediction=prediction(Outcome.POSITIVE, checkpoint_digest=digest))
        equipment = only(ReportKind.TEXT_SR, what).ContributingEquipmentSequence
        return {item.DeviceUID for item in equipment if "DeviceUID" in item}

    assert len(device_uids("aa")) == 1
    assert device_uids("aa") != device_uids("bb")


@pytest.mark.parametrize("outcome", ANALYSED)
@pytest.mark.parametrize("sop_class_uid", ReportKind.MEASUREMENT_SR.sop_classes)
def test_highdicom_reads_one_group_with_region_algorithm_and_distinct_measurements(
    outcome: Outcome, sop_class_uid: str, tmp_path: Path
) -> None:
    source = chest(rows=320, columns=256)
    [report] = [each for each in built(source, content(outcome)) if _is_measurement(each, sop_class_uid)]
    path = tmp_path / "report.dcm"
    path.write_bytes(report.encoded())
    document = highdicom.sr.srread(path)
    assert isinstance(document.content, highdicom.sr.MeasurementReport)
    [group] = document.content.get_planar_roi_measurement_groups()
    values = {item.name.meaning: item.value for item in group.get_measurements()}
    quality = {"AI off lungs"} if outcome is Outcome.POSITIVE else set()
    assert set(values) == {"AI pneumonia", "AI bacterial", "AI viral", "AI no pattern"} | quality
    assert values["AI pneumonia"] == pytest.approx(100 * prediction(outcome).p_pneumonia)
    assert group.roi is not None
    outline = group.roi.value
    assert (outline[0] == outline[-1]).all()
    assert outline.min() >= 0
    assert (outline.max(axis=0) <= (256, 320)).all()
    assert _is_whole(outline, 256, 320) == (outcome is not Outcome.POSITIVE)
    # The whole image is not called lung.
    site = dictionary.SCT.Lung if outcome is Outcome.POSITIVE else coded(codes.CHEST)
    assert [item.value for item in group.finding_sites] == [site]


def _is_whole(outline: np.ndarray, columns: int, rows: int) -> bool:
    """Return whether an outline is the frame that stands for the whole image."""
    frame = WHOLE_IMAGE * (columns, rows)
    return outline.shape == frame.shape and np.allclose(outline, frame, atol=0.01)


def _groups(cam: np.ndarray, display: np.ndarray) -> list[Any]:
    """Return the measurement groups of a positive."""
    what = content(Outcome.POSITIVE, prediction=prediction(Outcome.POSITIVE, cam=cam.astype(np.float32)))
    kinds = [ReportKind.MEASUREMENT_SR]
    [report] = build(chest(rows=700, columns=700), display, what, kinds=kinds, equipment=EQUIPMENT)
    document = highdicom.sr.srread(BytesIO(report.encoded()))
    assert isinstance(document.content, highdicom.sr.MeasurementReport)
    return list(document.content.get_planar_roi_measurement_groups())


def test_each_region_has_a_group_of_its_own_with_a_name_of_its_own() -> None:
    cam = np.zeros((7, 7))
    cam[2:5, 1], cam[3, 5] = 0.9, 0.8
    groups = _groups(cam, radiograph(700, 700))
    assert len(groups) == 2
    assert [group.finding_sites[0].value for group in groups] == [dictionary.SCT.Lung] * 2
    assert {item.name.meaning for item in groups[1].get_measurements()} == {"AI map here"}
    assert len({group.tracking_uid for group in groups}) == 2
    left, right = (group.roi.value[:, 0] for group in groups)
    assert left.max() < 350 < right.min()


@pytest.mark.parametrize(
    ("cam", "display", "reason"),
    [
        (np.pad(np.ones((1, 1)), ((0, 6), (0, 6))), radiograph(700, 700), "OFFLUNGS"),
        (activation(), np.full((700, 700), 0.5, dtype=np.float32), "NOFIELD"),
    ],
    ids=["beside the lungs", "no lungs"],
)
def test_a_withheld_map_gives_no_region_and_its_reason_as_a_code(
    cam: np.ndarray, display: np.ndarray, reason: str
) -> None:
    [group] = _groups(cam, display)
    assert _is_whole(group.roi.value, 700, 700)
    assert [site.value for site in group.finding_sites] == [coded(codes.CHEST)]
    explanation = [item.value for item in group.get_qualitative_evaluations(coded(codes.VISUAL_EXPLANATION))]
    assert [(code.value, code.scheme_designator) for code in explanation] == [(reason, OWN_SCHEME)]


def test_picture_and_measurements_show_the_same_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    heat_map = overlay.heat_map

    def watched(grey: np.ndarray, cam: np.ndarray, where: Localisation) -> np.ndarray:
        drawn.extend(where.regions)
        return heat_map(grey, cam, where)

    monkeypatch.setattr(overlay, "heat_map", watched)
    built(chest(rows=700, columns=700), content(Outcome.POSITIVE))
    told = [group.roi.value for group in _groups(activation(), radiograph(700, 700))]
    assert len(drawn) == len(told) == 1
    assert np.allclose(drawn[0] * 700, told[0], atol=1e-3)


def _is_measurement(report: BuiltObject, sop_class_uid: str) -> bool:
    return report.kind is ReportKind.MEASUREMENT_SR and report.sop_class_uid == sop_class_uid


def test_the_region_of_a_positive_surrounds_the_activated_cells_of_the_lungs() -> None:
    document = only(ReportKind.MEASUREMENT_SR, content(Outcome.POSITIVE), chest(rows=700, columns=700))
    [region] = [item for item in items(document) if item.get("ValueType") == "SCOORD"]
    outline = np.reshape(np.asarray(region.GraphicData, dtype=float), (-1, 2))
    cells = np.argwhere(activation() > 0.5)
    # A cell of the 7 x 7 map is 100 pixels wide; interpolation moves the outline by at most one cell.
    assert outline[:, 1].min() == pytest.approx(cells[:, 0].min() * 100, abs=100)
    assert outline[:, 1].max() == pytest.approx((cells[:, 0].max() + 1) * 100, abs=100)
    assert outline[:, 0].min() == pytest.approx(cells[:, 1].min() * 100, abs=100)
    assert outline[:, 0].max() == pytest.approx((cells[:, 1].max() + 1) * 100, abs=100)


def test_the_other_sop_classes_hold_the_same_content_under_uids_of_their_own() -> None:
    [original] = build(
        chest(), radiograph(320, 256), content(Outcome.POSITIVE), kinds=[ReportKind.MEASUREMENT_SR], equipment=EQUIPMENT
    )
    before = original.encoded()
    for sop_class_uid in (ComprehensiveSRStorage, EnhancedSRStorage):
        variant = as_sop_class(ReportKind.MEASUREMENT_SR, original.dataset, sop_class_uid)
        assert variant.dataset.ContentSequence == original.dataset.ContentSequence
        assert variant.sop_class_uid == sop_class_uid
        assert is_own_uid(variant.sop_instance_uid)
        assert variant.sop_instance_uid != original.sop_instance_uid
        assert variant.encoded() == as_sop_class(ReportKind.MEASUREMENT_SR, original.dataset, sop_class_uid).encoded()
    assert original.encoded() == before
    assert as_sop_class(ReportKind.MEASUREMENT_SR, original.dataset, Comprehensive3DSRStorage).encoded() == before


def test_no_report_becomes_a_sop_class_that_is_not_its_kind_s() -> None:
    with pytest.raises(ValueError, match="cannot turn"):
        as_sop_class(ReportKind.TEXT_SR, only(ReportKind.TEXT_SR, content(Outcome.POSITIVE)), ComprehensiveSRStorage)


@pytest.mark.parametrize("sop_class", ["CR", "DX", "SC"])
def test_the_secondary_capture_refers_to_its_source_and_admits_its_annotation(sop_class: SopClass) -> None:
    source = chest(sop_class=sop_class)
    image = only(ReportKind.SECONDARY_CAPTURE, content(Outcome.POSITIVE), source)
    assert image.BurnedInAnnotation == "YES"
    assert list(image.ImageType[:2]) == ["DERIVED", "SECONDARY"]
    assert image.StudyDescription == source.StudyDescription
    [reference] = image.SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "PNEUMONIA SUSPECTED" in image.DerivationDescription
    assert "Laterality" not in image, "a chest has none"
