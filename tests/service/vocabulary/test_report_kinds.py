from importlib import import_module

from pydicom.sr.codedict import codes
from pydicom.uid import UID

from service.vocabulary import sop_classes
from service.vocabulary.report_kinds import PICTURE_KINDS, REPORT_SOP_CLASSES, ReportKind


def test_a_kind_is_looked_up_by_the_code_that_the_ledger_and_the_settings_hold() -> None:
    assert [ReportKind(kind.value) for kind in ReportKind] == list(ReportKind)
    assert ReportKind("text_sr") is ReportKind.TEXT_SR


def test_the_modules_of_a_kinds_name_build_it() -> None:
    for kind in ReportKind:
        assert callable(import_module(f"service.report.{kind}").recipe), kind
        assert callable(import_module(f"service.report.making.{kind}").make), kind


def test_no_two_kinds_share_a_series_or_a_title() -> None:
    assert len({kind.series_number for kind in ReportKind}) == len(ReportKind)
    titles = [kind.document_title for kind in ReportKind if kind not in PICTURE_KINDS]
    assert None not in titles
    assert len(set(titles)) == len(titles)


def test_a_title_of_the_standard_is_spelled_as_the_standard_spells_it() -> None:
    title = ReportKind.MEASUREMENT_SR.document_title
    assert title is not None
    standard = codes.DCM.ImagingMeasurementReport
    assert title == (standard.value, standard.scheme_designator, standard.meaning)


def test_every_sop_class_is_that_of_its_name() -> None:
    names = {name: value for name, value in vars(sop_classes).items() if isinstance(value, str) and name.isupper()}
    assert {name: UID(uid).name for name, uid in names.items()} == {
        "VERIFICATION": "Verification SOP Class",
        "STORAGE_COMMITMENT": "Storage Commitment Push Model SOP Class",
        "STUDY_ROOT_FIND": "Study Root Query/Retrieve Information Model - FIND",
        "UPS_PUSH": "Unified Procedure Step - Push SOP Class",
        "UPS_WATCH": "Unified Procedure Step - Watch SOP Class",
        "UPS_PULL": "Unified Procedure Step - Pull SOP Class",
        "UPS_EVENT": "Unified Procedure Step - Event SOP Class",
        "UPS_QUERY": "Unified Procedure Step - Query SOP Class",
        "UPS_GLOBAL": "UPS Global Subscription SOP Instance",
        "UPS_FILTERED": "UPS Filtered Global Subscription SOP Instance",
        "COMPUTED_RADIOGRAPHY": "Computed Radiography Image Storage",
        "DIGITAL_X_RAY_FOR_PRESENTATION": "Digital X-Ray Image Storage - For Presentation",
        "DIGITAL_X_RAY_FOR_PROCESSING": "Digital X-Ray Image Storage - For Processing",
        "SECONDARY_CAPTURE": "Secondary Capture Image Storage",
        "BASIC_TEXT_SR": "Basic Text SR Storage",
        "ENHANCED_SR": "Enhanced SR Storage",
        "COMPREHENSIVE_SR": "Comprehensive SR Storage",
        "COMPREHENSIVE_3D_SR": "Comprehensive 3D SR Storage",
    }
    groups = (*sop_classes.SECONDARY_CAPTURES, *sop_classes.RADIOGRAPHS, *REPORT_SOP_CLASSES)
    assert all(UID(uid).type == "SOP Class" for uid in groups)
    assert all("Secondary Capture Image Storage" in UID(uid).name for uid in sop_classes.SECONDARY_CAPTURES)
