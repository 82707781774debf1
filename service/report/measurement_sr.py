"""The report that machines read: a TID 1500 Measurement Report with one measurement group, and one for each region.

Each group carries a region in the image: one without coordinates makes OHIF fail. Where nothing is to be outlined it is
a frame that stands for the whole image, and its finding site the chest.

References
----------
PS3.16 TID 1500, TID 1410; PS3.3 section A.35.13 (Comprehensive 3D SR IOD)
"""

from typing import Any

import numpy as np
from highdicom.sr import (
    CodedConcept,
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
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from service.report import codes
from service.report.content import ReportContent, by_finding
from service.report.draft import Draft
from service.report.equipment import algorithm_identification, observation_context
from service.report.region import WHOLE_IMAGE, Localisation, activation_within, in_pixels
from service.report.stamp import separate, stamp
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.uids import derive_uid


def build(draft: Draft) -> Dataset:
    """Build the Measurement Report as a Comprehensive 3D SR."""
    prediction = draft.content.prediction
    if prediction is None:
        raise ValueError("an image that was not analysed has no measurements; build the text report alone")
    sop_instance_uid = draft.sop_instance_uid()
    report = MeasurementReport(
        observation_context=observation_context(draft.equipment, prediction),
        procedure_reported=codes.PLAIN_CHEST_X_RAY,
        imaging_measurements=_groups(draft, prediction, sop_instance_uid),
        title=codes.TITLES[draft.kind],
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            codes.LANGUAGES[draft.content.language]
        ),
        referenced_images=[draft.evidence.dataset],
    )
    document = Comprehensive3DSR(content=report, **draft.document_attributes(sop_instance_uid))
    stamp(document, draft.evidence.dataset, draft.content.content_time, draft.equipment.software_version)
    separate(document)
    return document


def _groups(
    draft: Draft, prediction: Prediction, sop_instance_uid: str
) -> list[PlanarROIMeasurementsAndQualitativeEvaluations]:
    """Return the group of the result, and one for each further region."""
    regions = draft.localisation.regions if draft.localisation else ()
    first = _group(
        draft,
        prediction,
        regions[0] if regions else None,
        TrackingIdentifier(uid=derive_uid("tracking", sop_instance_uid), identifier="AI assessment of pneumonia"),
        measurements=_measurements(prediction, draft.localisation),
        qualitative_evaluations=_evaluations(draft.content, draft.localisation),
    )
    return [
        first,
        *(
            _group(
                draft,
                prediction,
                region,
                TrackingIdentifier(
                    uid=derive_uid("tracking", sop_instance_uid, str(number)), identifier=f"AI region {number}"
                ),
                measurements=[_per_cent(codes.ACTIVATION_HERE, activation_within(prediction.cam, region))],
            )
            for number, region in enumerate(regions[1:], start=2)
        ),
    ]


def _group(
    draft: Draft,
    prediction: Prediction,
    region: NDArray[np.float32] | None,
    tracking: TrackingIdentifier,
    **content: Any,
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """Return a group: a region lies in the lung; without any it is the whole image, whose site is the chest."""
    source = draft.evidence.dataset
    outline = in_pixels(WHOLE_IMAGE if region is None else region, source.Rows, source.Columns)
    positive = prediction.outcome is Outcome.POSITIVE
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking,
        referenced_region=ImageRegion(
            graphic_type=GraphicTypeValues.POLYLINE,
            graphic_data=outline,
            source_image=SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID),
        ),
        finding_type=codes.PNEUMONIA[prediction.pneumonia_type] if positive else None,
        algorithm_id=algorithm_identification(prediction),
        finding_sites=[FindingSite(anatomic_location=codes.CHEST if region is None else codes.LUNG)],
        **content,
    )


def _measurements(prediction: Prediction, localisation: Localisation | None) -> list[Measurement]:
    """Return the probabilities and the quality of the map, each under a name of its own.

    Viewers print equal names over each other.
    """
    values = {codes.P_PNEUMONIA: prediction.p_pneumonia} | {
        codes.P_CLASS[finding]: probability for finding, probability in by_finding(prediction).items()
    }
    if localisation is not None and localisation.outside is not None:
        values[codes.ACTIVATION_OUTSIDE] = localisation.outside
    return [_per_cent(name, value) for name, value in values.items()]


def _per_cent(name: CodedConcept, share: float) -> Measurement:
    return Measurement(name, round(100 * share, 2), codes.PERCENT)


def _evaluations(content: ReportContent, localisation: Localisation | None) -> list[QualitativeEvaluation]:
    evaluations = [
        QualitativeEvaluation(codes.ASSESSMENT, codes.ASSESSMENT_VALUE[content.outcome]),
        QualitativeEvaluation(codes.PRIORITY_NAME, codes.PRIORITY_VALUE[content.priority]),
    ]
    if localisation is not None:
        withheld = localisation.withheld
        shown = codes.CLASS_ACTIVATION if withheld is None else codes.WITHHELD[withheld]
        evaluations.append(QualitativeEvaluation(codes.VISUAL_EXPLANATION, shown))
    return evaluations
