"""The report that machines read, as highdicom makes it: a Comprehensive 3D SR.

References
----------
PS3.16 TID 1500, TID 1410; PS3.3 section A.35.13 (Comprehensive 3D SR IOD)
"""

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

from service.report import codes
from service.report.making.arguments import dataset_of, document_arguments
from service.report.making.concepts import coded
from service.report.making.equipment import algorithm_identification, observation_context
from service.report.making.stamp import separate, stamp
from service.report.measurement_sr import Group, MeasurementDocument


def make(parts: MeasurementDocument) -> Dataset:
    """Let highdicom make the Measurement Report, as a Comprehensive 3D SR."""
    header = parts.header
    report = MeasurementReport(
        observation_context=observation_context(header.equipment, header.algorithm),
        procedure_reported=coded(codes.PLAIN_CHEST_X_RAY),
        imaging_measurements=[_group(parts, group) for group in parts.groups],
        title=coded(parts.title),
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(coded(parts.language)),
        referenced_images=[dataset_of(header.source)],
    )
    document = Comprehensive3DSR(content=report, **document_arguments(header))
    stamp(document, header)
    separate(document)
    return document


def _group(parts: MeasurementDocument, group: Group) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    source, algorithm = dict(parts.header.source), parts.header.algorithm
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=group.tracking_uid, identifier=group.identifier),
        referenced_region=ImageRegion(
            graphic_type=GraphicTypeValues.POLYLINE,
            graphic_data=group.outline,
            source_image=SourceImageForRegion(source["SOPClassUID"], source["SOPInstanceUID"]),
        ),
        finding_type=coded(parts.finding) if parts.finding else None,
        algorithm_id=algorithm_identification(algorithm) if algorithm else None,
        finding_sites=[FindingSite(anatomic_location=coded(group.site))],
        measurements=[Measurement(coded(name), value, coded(codes.PERCENT)) for name, value in group.measurements],
        qualitative_evaluations=[QualitativeEvaluation(coded(name), coded(value)) for name, value in group.evaluations]
        or None,
    )
