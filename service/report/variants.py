"""The same report in another SOP class, for a destination that does not accept the one that was built.

References
----------
PS3.3 sections A.35.1 (Basic Text SR), A.35.2 (Enhanced SR), A.35.3 (Comprehensive SR) and A.35.13
(Comprehensive 3D SR)
"""

from copy import deepcopy

from pydicom.dataset import Dataset
from pydicom.uid import UID

from service.report.built import BuiltObject
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.sop_classes import BASIC_TEXT_SR
from service.vocabulary.uids import variant_uid


def as_sop_class(kind: ReportKind, dataset: Dataset, sop_class_uid: str) -> BuiltObject:
    """Return a report as another SOP class, under UIDs that follow from the original's.

    Parameters
    ----------
    dataset
        A report of this kind that `build` made; it stays as it is.
    sop_class_uid
        One of the kind's.

    Raises
    ------
    ValueError
        When the data set is not such a report, or the SOP class cannot hold it.
    """
    first, *others = kind.sop_classes
    if dataset.get("SOPClassUID") != first or sop_class_uid not in (first, *others):
        raise ValueError(f"cannot turn an object of SOP class {dataset.get('SOPClassUID')} into {sop_class_uid}")
    if sop_class_uid == first:
        return BuiltObject.of(kind, dataset)
    variant = deepcopy(dataset)
    variant.SOPClassUID = sop_class_uid
    variant.SOPInstanceUID = variant_uid(dataset.SOPInstanceUID, sop_class_uid)
    variant.SeriesInstanceUID = variant_uid(dataset.SeriesInstanceUID, sop_class_uid)
    variant.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    variant.file_meta.MediaStorageSOPInstanceUID = variant.SOPInstanceUID
    # A peer that takes this variant got the same variant of the predecessor.
    for study in variant.get("PredecessorDocumentsSequence", []):
        for series in study.ReferencedSeriesSequence:
            series.SeriesInstanceUID = variant_uid(series.SeriesInstanceUID, sop_class_uid)
            for reference in series.ReferencedSOPSequence:
                reference.ReferencedSOPClassUID = sop_class_uid
                reference.ReferencedSOPInstanceUID = variant_uid(reference.ReferencedSOPInstanceUID, sop_class_uid)
    if sop_class_uid == BASIC_TEXT_SR:
        _without_numbers(variant)
    return BuiltObject.of(kind, variant)


def _without_numbers(item: Dataset) -> None:
    """Write each number as text: a Basic Text SR has no content item of type NUM (PS3.3 Table A.35.1-2)."""
    for child in item.get("ContentSequence", []):
        _without_numbers(child)
        if child.ValueType == "NUM":
            [value] = child.MeasuredValueSequence
            [unit] = value.MeasurementUnitsCodeSequence
            child.ValueType = "TEXT"
            child.TextValue = f"{value.NumericValue} {unit.CodeValue}"
            del child.MeasuredValueSequence
