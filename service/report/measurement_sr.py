"""The report that machines read: a TID 1500 Measurement Report with one measurement group.

The group always carries a region in the image: one without coordinates makes OHIF fail.

Source: PS3.16 TID 1500, TID 1410; PS3.3 section A.35.13 (Comprehensive 3D SR IOD).
"""

from copy import deepcopy

from highdicom.sr import (
    Comprehensive3DSR,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dictionary
from pydicom.uid import UID, Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage

from service.report import codes
from service.report.built import BuiltObject, ReportKind
from service.report.content import ReportContent, by_finding
from service.report.draft import Draft
from service.report.equipment import algorithm_identification, observation_context
from service.report.region import evidence_region
from service.report.stamp import separate, stamp
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.uids import derive_uid

#: The SOP classes that can hold the report, the one built first; the others are for peers that do not accept it.
SOP_CLASSES = (Comprehensive3DSRStorage, ComprehensiveSRStorage, EnhancedSRStorage)


def measurement_sr(draft: Draft) -> Dataset:
    """Build the Measurement Report as a Comprehensive 3D SR."""
    prediction = draft.content.prediction
    if prediction is None:
        raise ValueError("an image that was not analysed has no measurements; build the text report alone")
    sop_instance_uid = draft.sop_instance_uid()
    report = MeasurementReport(
        observation_context=observation_context(draft.equipment, prediction),
        procedure_reported=codes.PLAIN_CHEST_X_RAY,
        imaging_measurements=[_group(draft, prediction, derive_uid("tracking", sop_instance_uid))],
        title=dictionary.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(codes.ENGLISH),
        referenced_images=[draft.evidence.dataset],
    )
    document = Comprehensive3DSR(content=report, **draft.document_attributes(sop_instance_uid))
    stamp(document, draft.evidence.dataset, draft.content.content_time, draft.equipment.software_version)
    separate(document)
    return document


def as_sop_class(dataset: Dataset, sop_class_uid: str) -> BuiltObject:
    """Return a Measurement Report as another SOP class, under UIDs that follow from the original's.

    Parameters
    ----------
    dataset
        A Comprehensive 3D SR that `build` made; it stays as it is.
    sop_class_uid
        One of `SOP_CLASSES`.

    Raises
    ------
    ValueError
        When the data set is not such a report, or the SOP class cannot hold it.
    """
    if dataset.get("SOPClassUID") != Comprehensive3DSRStorage or sop_class_uid not in SOP_CLASSES:
        raise ValueError(f"cannot turn an object of SOP class {dataset.get('SOPClassUID')} into {sop_class_uid}")
    if sop_class_uid == Comprehensive3DSRStorage:
        return BuiltObject.of(ReportKind.MEASUREMENT_SR, dataset)
    variant = deepcopy(dataset)
    variant.SOPClassUID = sop_class_uid
    variant.SOPInstanceUID = _variant_uid(dataset.SOPInstanceUID, sop_class_uid)
    variant.SeriesInstanceUID = _variant_uid(dataset.SeriesInstanceUID, sop_class_uid)
    variant.file_meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    variant.file_meta.MediaStorageSOPInstanceUID = variant.SOPInstanceUID
    # A peer that takes this variant got the same variant of the predecessor.
    for study in variant.get("PredecessorDocumentsSequence", []):
        for series in study.ReferencedSeriesSequence:
            series.SeriesInstanceUID = _variant_uid(series.SeriesInstanceUID, sop_class_uid)
            for reference in series.ReferencedSOPSequence:
                reference.ReferencedSOPClassUID = sop_class_uid
                reference.ReferencedSOPInstanceUID = _variant_uid(reference.ReferencedSOPInstanceUID, sop_class_uid)
    return BuiltObject.of(ReportKind.MEASUREMENT_SR, variant)


def _variant_uid(uid: str, sop_class_uid: str) -> str:
    return derive_uid("variant", str(uid), str(sop_class_uid))


def _group(draft: Draft, prediction: Prediction, tracking_uid: str) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    source = draft.evidence.dataset
    region = ImageRegion(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=evidence_region(prediction, source.Rows, source.Columns),
        source_image=SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID),
    )
    positive = prediction.outcome is Outcome.POSITIVE
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=tracking_uid, identifier="AI assessment of pneumonia"),
        referenced_region=region,
        finding_type=codes.PNEUMONIA[prediction.pneumonia_type] if positive else None,
        algorithm_id=algorithm_identification(prediction),
        finding_sites=[FindingSite(anatomic_location=codes.LUNG)],
        measurements=_measurements(prediction),
        qualitative_evaluations=_evaluations(draft.content),
    )


def _measurements(prediction: Prediction) -> list[Measurement]:
    """Return the probabilities, each under a name of its own: viewers print equal names over each other."""
    values = {codes.P_PNEUMONIA: prediction.p_pneumonia} | {
        codes.P_CLASS[finding]: probability for finding, probability in by_finding(prediction).items()
    }
    return [Measurement(name, round(100 * value, 2), codes.PERCENT) for name, value in values.items()]


def _evaluations(content: ReportContent) -> list[QualitativeEvaluation]:
    evaluations = [
        QualitativeEvaluation(codes.ASSESSMENT, codes.ASSESSMENT_VALUE[content.outcome]),
        QualitativeEvaluation(codes.PRIORITY_NAME, codes.PRIORITY_VALUE[content.priority]),
    ]
    if content.outcome is Outcome.POSITIVE:
        evaluations.append(QualitativeEvaluation(codes.VISUAL_EXPLANATION, codes.CLASS_ACTIVATION))
    return evaluations
