"""What highdicom's constructors take alike: patient and study, equipment, evidence.

Source: PS3.3 sections C.7.1 to C.7.5 (patient, study, series, equipment), C.17.2 (SR Document General), C.12.1.1
(Coding Scheme Identification Sequence).
"""

from typing import Any

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from pydicom.dataset import Dataset

from service.report import codes
from service.report.header import Attributes, Header
from service.report.making.concepts import coded
from service.report.making.equipment import contributing_equipment
from service.vocabulary.report_kinds import OWN_SCHEME
from service.vocabulary.uids import MANUFACTURER, MODEL_NAME


def dataset_of(attributes: Attributes) -> Dataset:
    """Return attributes as the data set that they are of."""
    dataset = Dataset()
    for keyword, value in attributes:
        is_sequence = isinstance(value, tuple)
        setattr(dataset, keyword, [dataset_of(item) for item in value] if is_sequence else value)
    return dataset


def arguments(header: Header) -> dict[str, Any]:
    """Return the arguments that every constructor of highdicom takes alike."""
    return {
        "series_instance_uid": header.series_instance_uid,
        "series_number": header.series_number,
        "sop_instance_uid": header.sop_instance_uid,
        "instance_number": header.instance_number,
        "series_description": header.series_description,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": MODEL_NAME,
        "software_versions": header.equipment.software_version,
        "device_serial_number": header.equipment.device_serial_number,
        "institution_name": header.institution,
        "specific_character_set": "ISO_IR 192",
        "contributing_equipment": contributing_equipment(header.equipment, header.algorithm),
    }


def document_arguments(header: Header) -> dict[str, Any]:
    """Return the arguments that both Structured Reports take alike."""
    return arguments(header) | {
        "evidence": [dataset_of(item) for item in (header.source, *header.further)],
        "is_complete": True,
        "is_final": False,
        "is_verified": False,
        "requested_procedures": [dataset_of(item) for item in header.procedures] or None,
        "performed_procedure_codes": [coded(codes.PLAIN_CHEST_X_RAY)],
        "previous_versions": [dataset_of(item) for item in header.predecessors] or None,
        "content_qualification": header.equipment.content_qualification,
        "coding_schemes": [_own_scheme()],
    }


def _own_scheme() -> CodingSchemeIdentificationItem:
    return CodingSchemeIdentificationItem(OWN_SCHEME, name="auscult concepts", responsible_organization="auscult")
