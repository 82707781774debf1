"""The gateway as a device, and the network as an algorithm inside it, as highdicom writes them.

References
----------
PS3.3 section C.12.1.1 (Contributing Equipment Sequence); IHE Radiology AI Results
"""

from highdicom import ContributingEquipment
from highdicom.sr import (
    AlgorithmIdentification,
    DeviceObserverIdentifyingAttributes,
    ObservationContext,
    ObserverContext,
)

from service.report import codes
from service.report.equipment import Algorithm, Equipment
from service.report.making.concepts import coded
from service.vocabulary.uids import MANUFACTURER


def contributing_equipment(equipment: Equipment, algorithm: Algorithm | None) -> list[ContributingEquipment]:
    """Return one item for the algorithm, none where no algorithm ran."""
    if algorithm is None:
        return []
    item = ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=coded(codes.PROCESSING_EQUIPMENT),
        # LO holds 64 characters (PS3.5 section 6.2).
        manufacturer_model_name=algorithm.name[:64],
        software_versions=algorithm.version[:64],
        device_serial_number=equipment.device_serial_number,
        contribution_description="; ".join(("Classification of the radiograph", *algorithm.digests)),
    )
    item.DeviceUID = equipment.device_uid(algorithm)
    return [item]


def observation_context(equipment: Equipment, algorithm: Algorithm | None) -> ObservationContext:
    """Return the device as observer (TID 1001, 1002, 1004)."""
    device = DeviceObserverIdentifyingAttributes(uid=equipment.device_uid(algorithm), name=equipment.name)
    return ObservationContext(ObserverContext(coded(codes.DEVICE), device))


def algorithm_identification(algorithm: Algorithm) -> AlgorithmIdentification:
    """Return what computed the result (TID 4019)."""
    return AlgorithmIdentification(
        name=algorithm.name,
        version=algorithm.version,
        parameters=[
            *algorithm.digests,
            algorithm.operating_point,
            f"transform {algorithm.transform}",
        ],
        family=coded(codes.ARTIFICIAL_INTELLIGENCE),
        manufacturer=MANUFACTURER,
    )
