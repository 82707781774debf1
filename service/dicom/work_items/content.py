"""What a work item says: the reading of a study as the data set of a Unified Procedure Step.

References
----------
PS3.4 Table CC.2.5-3 (attributes); PS3.3 sections C.30.1 to C.30.4, Table 10-3b (referenced instances and access)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import empty_value_for_VR

from service.dicom.normalised import normalised
from service.ledger import DueWorkItemEvent, WorkItemView
from service.ledger.views import InstanceView, StudyView
from service.settings import WorkItemSettings
from service.vocabulary.identity import Identity
from service.vocabulary.sop_classes import UPS_PUSH
from service.vocabulary.states import Priority
from service.vocabulary.work_items import WorkItemEvent, WorkItemState

#: Scheduled Procedure Step Priority (0074,1200).
PRIORITIES = {Priority.ROUTINE: "LOW", Priority.URGENT: "MEDIUM", Priority.STAT: "HIGH"}
_INTERPRETATION = ("110005", "DCM", "Interpretation")
_DISCONTINUED = ("110513", "DCM", "Discontinued for unspecified reason")


@dataclass(frozen=True)
class Labels:
    """What every work item of a list has in common; see `service.settings.work_items`."""

    worklist_label: str
    step_label: str
    retrieve_ae_title: str | None


def labels_of(settings: WorkItemSettings) -> Labels:
    """Return what the work items of our list have in common."""
    return Labels(settings.worklist_label, settings.step_label, settings.retrieve_ae_title)


@dataclass(frozen=True)
class Reading:
    """A study that is to be read.

    Attributes
    ----------
    is_ready
        Whether nothing speaks against reading it now; not so while it is on hold.
    comments
        What a reader is told before.
    """

    identity: Identity
    images: Sequence[InstanceView]
    priority: Priority
    arrived_at: datetime
    labels: Labels
    is_ready: bool = True
    comments: str = ""


def reading_of(study: StudyView, labels: Labels) -> Reading:
    """Return the reading of a study of the list, under the identity of its first image."""
    first = study.instances[0].identity
    return Reading(first, study.instances, study.priority, study.first_received_at, labels, study.hold is None)


#: By keyword, what stands in each attribute of a work item that nobody has claimed; None is an empty value.
SCHEDULED: Mapping[str, Callable[[Reading], Any]] = {
    "SpecificCharacterSet": lambda _: "ISO_IR 192",
    "ScheduledProcedureStepPriority": lambda reading: PRIORITIES[reading.priority],
    "ScheduledProcedureStepModificationDateTime": lambda reading: moment(reading.arrived_at),
    "ProcedureStepLabel": lambda reading: reading.labels.step_label,
    "WorklistLabel": lambda reading: reading.labels.worklist_label,
    "ScheduledProcessingParametersSequence": lambda _: None,
    "ScheduledStationNameCodeSequence": lambda _: None,
    "ScheduledStationClassCodeSequence": lambda _: None,
    "ScheduledStationGeographicLocationCodeSequence": lambda _: None,
    "ScheduledProcedureStepStartDateTime": lambda reading: moment(reading.arrived_at),
    "ScheduledWorkitemCodeSequence": lambda _: [_code(*_INTERPRETATION)],
    "CommentsOnTheScheduledProcedureStep": lambda reading: reading.comments or None,
    "InputReadinessState": lambda reading: "READY" if reading.is_ready else "UNREADY",
    "InputInformationSequence": lambda reading: [
        _series(uid, list(images), reading)
        for uid, images in groupby(
            sorted(reading.images, key=lambda image: image.series_instance_uid),
            key=lambda image: image.series_instance_uid,
        )
    ],
    "StudyInstanceUID": lambda reading: reading.identity.study_instance_uid,
    "ProcedureStepState": lambda _: WorkItemState.SCHEDULED.value,
    "ProcedureStepProgressInformationSequence": lambda _: None,
    "UnifiedProcedureStepPerformedProcedureSequence": lambda _: None,
    "PatientName": lambda reading: normalised("PatientName", reading.identity.patient_name),
    "PatientID": lambda reading: reading.identity.patient_id,
    "IssuerOfPatientID": lambda reading: reading.identity.issuer_of_patient_id,
    "OtherPatientIDsSequence": lambda _: None,
    "PatientBirthDate": lambda reading: normalised("PatientBirthDate", reading.identity.birth_date),
    "PatientSex": lambda reading: normalised("PatientSex", reading.identity.sex),
    "MedicalAlerts": lambda _: None,
    "PregnancyStatus": lambda _: None,
    "SpecialNeeds": lambda _: None,
    "AdmissionID": lambda _: None,
    "IssuerOfAdmissionIDSequence": lambda _: None,
    "AdmittingDiagnosesDescription": lambda _: None,
    "AdmittingDiagnosesCodeSequence": lambda _: None,
    "ReferencedRequestSequence": lambda reading: [_request(reading.identity)],
}


def scheduled(reading: Reading) -> Dataset:
    """Return the data set with which a work item is created: every attribute that the table asks for."""
    return _filled({keyword: value(reading) for keyword, value in SCHEDULED.items()})


def created(reading: Reading) -> Dataset:
    """Return the data set with which a work item is created elsewhere: its owner keeps when it was changed."""
    dataset = scheduled(reading)
    del dataset.ScheduledProcedureStepModificationDateTime
    dataset.TransactionUID = ""
    return dataset


def finished(at: datetime) -> Dataset:
    """Return what is said of a reading that was done elsewhere, with which its work item may be completed."""
    performed = _filled(
        {
            "PerformedStationNameCodeSequence": None,
            "PerformedProcedureStepStartDateTime": moment(at),
            "PerformedProcedureStepEndDateTime": moment(at),
            "PerformedWorkitemCodeSequence": [_code(*_INTERPRETATION)],
            "OutputInformationSequence": None,
        }
    )
    return _filled({"UnifiedProcedureStepPerformedProcedureSequence": [performed]})


def work_item(view: WorkItemView, labels: Labels) -> Dataset:
    """Return a work item of our list as it stands; never with the key of its claim."""
    dataset = scheduled(reading_of(view.study, labels))
    dataset.SOPClassUID, dataset.SOPInstanceUID = UPS_PUSH, view.sop_instance_uid
    dataset.ProcedureStepState = view.state.value
    dataset.update(Dataset.from_json({key: value for key, value in view.performed.items() if key in _KEPT}))
    if view.claimed_at is not None:
        _add_performed(dataset, view)
    if view.state is WorkItemState.CANCELED and not dataset.ProcedureStepProgressInformationSequence:
        progress = _filled({"ProcedureStepCancellationDateTime": moment(view.ended_at or view.created_at)})
        progress.ProcedureStepDiscontinuationReasonCodeSequence = [_code(*_DISCONTINUED)]
        dataset.ProcedureStepProgressInformationSequence = [progress]
    return dataset


def event_information(event: DueWorkItemEvent, item: Dataset) -> Dataset:
    """Return what a subscriber is told of an event (PS3.4 Table CC.2.4-1)."""
    said = Dataset.from_json(dict(event.said))
    if event.event is WorkItemEvent.STATE:
        said.ProcedureStepState, said.InputReadinessState = event.state.value, item.InputReadinessState
    said.SpecificCharacterSet = item.SpecificCharacterSet
    return said


#: What a performer may set of a work item of ours, by keyword: all else is what we scheduled.
PERFORMED = ("ProcedureStepProgressInformationSequence", "UnifiedProcedureStepPerformedProcedureSequence")
_KEPT = frozenset(f"{tag_for_keyword(keyword):08X}" for keyword in PERFORMED)


def performed_of(dataset: Dataset) -> dict[str, Any]:
    """Return what is kept of a performer's words, in the DICOM JSON model."""
    kept = Dataset()
    for keyword in PERFORMED:
        if keyword in dataset:
            kept[keyword] = dataset[keyword]
    return dict(kept.to_json_dict())


def moment(at: datetime) -> str:
    """Return a moment as DT."""
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S}+0000"


def _add_performed(dataset: Dataset, view: WorkItemView) -> None:
    """Fill in what the final state asks for and the performer has left out (PS3.4 section CC.2.5.1.1)."""
    known: dict[str, Any] = {
        "PerformedStationNameCodeSequence": [_code(str(view.performer)[:16], "99AE", str(view.performer))],
        "PerformedProcedureStepStartDateTime": moment(view.claimed_at or view.created_at),
        "PerformedWorkitemCodeSequence": [_code(*_INTERPRETATION)],
        "OutputInformationSequence": None,
    }
    if view.ended_at is not None:
        known["PerformedProcedureStepEndDateTime"] = moment(view.ended_at)
    items = dataset.UnifiedProcedureStepPerformedProcedureSequence or [Dataset()]
    missing = {keyword: value for keyword, value in known.items() if keyword not in items[0]}
    items[0].update(_filled(missing))
    dataset.UnifiedProcedureStepPerformedProcedureSequence = list(items)


def _series(uid: str, images: Sequence[InstanceView], reading: Reading) -> Dataset:
    references = [
        _filled({"ReferencedSOPClassUID": image.sop_class_uid, "ReferencedSOPInstanceUID": image.sop_instance_uid})
        for image in images
    ]
    source = reading.labels.retrieve_ae_title or images[0].calling_ae_title
    return _filled(
        {
            "TypeOfInstances": "DICOM",
            "StudyInstanceUID": reading.identity.study_instance_uid,
            "SeriesInstanceUID": uid,
            "ReferencedSOPSequence": references,
            "DICOMRetrievalSequence": [_filled({"RetrieveAETitle": source})],
        }
    )


def _request(identity: Identity) -> Dataset:
    return _filled(
        {
            "StudyInstanceUID": identity.study_instance_uid,
            "AccessionNumber": identity.accession_number,
            "IssuerOfAccessionNumberSequence": None,
            "RequestedProcedureID": None,
            "RequestedProcedureDescription": None,
            "RequestedProcedureCodeSequence": None,
        }
    )


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _filled({"CodeValue": value, "CodingSchemeDesignator": scheme, "CodeMeaning": meaning})


def _filled(values: Mapping[str, Any]) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        vr = dictionary_VR(keyword)
        setattr(dataset, keyword, ([] if vr == "SQ" else empty_value_for_VR(vr)) if value in (None, "") else value)
    return dataset
