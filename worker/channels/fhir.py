"""FHIR R4: what the AI says of an order as one DiagnosticReport, which each further message replaces.

Beside it, where the settings want it, one Task for the order's reading. The report is preliminary, never final: that is
a person's; and the task is a proposal, for an order is a person's too.

References
----------
FHIR 4.0.1, DiagnosticReport, Observation and Task
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from service.http_wire import bearer, delivered
from service.ledger import DueMessage
from service.ledger.views import StudyHistory
from service.report import codes
from service.settings import Settings
from service.settings.receivers import FhirSettings
from service.texts import texts_in
from service.vocabulary.concepts import Concept
from service.vocabulary.facts import MessageEvent
from service.vocabulary.identity import Identity
from service.vocabulary.orders import accession_of
from service.vocabulary.report_kinds import OWN_SCHEME
from service.vocabulary.states import Priority
from service.vocabulary.uids import MODEL_NAME
from worker.channels.told import Image, Status, images_left, images_told, is_same_order
from worker.channels.words import result_sentence, withdrawal_sentence

#: Code systems by DICOM's coding scheme designators.
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    OWN_SCHEME: "urn:auscult:concepts",
}


#: What is to be done, as UPS work items name it (PS3.16 CID 9231).
_READING = Concept("110005", "DCM", "Interpretation")
#: Request priority by ours; "asap" stands for none.
PRIORITIES = {Priority.ROUTINE: "routine", Priority.URGENT: "urgent", Priority.STAT: "stat"}


class FhirChannel:
    """Tells one FHIR server; used by one thread."""

    def __init__(self, settings: Settings, receiver: FhirSettings) -> None:
        self._receiver = receiver
        self._say = texts_in(receiver.language or settings.report.language)

    def build(self, message: DueMessage, study: StudyHistory) -> bytes | None:
        """Return the resources as they are to stand, or None when the event changes nothing of them."""
        images: Sequence[Image] = ()
        if message.event is MessageEvent.RESULT:
            images = images_told(message, study, self._receiver.name, _is_same_report)
        elif message.event is MessageEvent.RESULT_SUPERSEDED:
            images = images_left(message, study, self._receiver.name, _is_same_report)
        resources = [self._report(message, images)] if images else []
        if self._receiver.tasks:
            resources += self._tasks(message, study, images)
        return json.dumps(resources, ensure_ascii=False).encode() if resources else None

    def send(self, _message: DueMessage, payload: bytes) -> str:
        """Put each resource at its place on the server; the same again changes nothing.

        Raises
        ------
        TransientDeliveryFailure, PermanentDeliveryFailure
            When the server does not take it, for now or for good.
        """
        headers = {"Content-Type": "application/fhir+json; charset=utf-8", **bearer(self._receiver.token_file)}
        base, answer = self._receiver.url.rstrip("/"), ""
        for resource in json.loads(payload):
            url = f"{base}/{resource['resourceType']}/{resource['id']}"
            body = json.dumps(resource, ensure_ascii=False).encode()
            answer = delivered(self._receiver, "PUT", url, body, headers)
        return answer

    def close(self) -> None:
        """Nothing is kept open between two messages."""

    def _report(self, message: DueMessage, images: Sequence[Image]) -> dict[str, Any]:
        identity, subject = message.instance.identity, _subject(message.instance.identity)
        is_withdrawn = all(image.status is Status.WITHDRAWN for image in images)
        report = {
            "resourceType": "DiagnosticReport",
            "id": _resource_id(identity),
            "contained": [self._observation(image, subject) for image in images],
            "status": "entered-in-error" if is_withdrawn else "preliminary",
            "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}]}],
            "code": _concept(codes.PLAIN_CHEST_X_RAY),
            "subject": subject,
            "effectiveDateTime": _instant(message.instance.received_at),
            "issued": _instant(message.occurred_at),
            "result": [{"reference": f"#image-{image.number}"} for image in images],
            "imagingStudy": [{"identifier": _uid(message.study_instance_uid)}],
            "conclusion": "\n".join(self._conclusion(message, images)),
        }
        return {**report, **_based_on(identity)}

    def _tasks(self, message: DueMessage, study: StudyHistory, told: Sequence[Image]) -> list[dict[str, Any]]:
        """Return the tasks that an event changes: that of the order which a result is of, else each of the study's."""
        if message.event in (MessageEvent.RESULT, MessageEvent.RESULT_SUPERSEDED):
            stands = any(image.status is not Status.WITHDRAWN for image in told)
            return [_task(message, study, message.instance.identity, stands=stands)] if told else []
        known = images_told(message, study, self._receiver.name, lambda *_: True)
        orders = {_resource_id(image.view.identity): image.view.identity for image in known}
        return [_task(message, study, identity, stands=True) for _, identity in sorted(orders.items())]

    def _conclusion(self, message: DueMessage, images: Sequence[Image]) -> list[str]:
        lines = [
            withdrawal_sentence(self._say, message)
            if image.status is Status.WITHDRAWN
            else result_sentence(self._say, image.view)
            for image in images
        ]
        return [*(f"AI: {line}" for line in lines), self._say("report.status"), self._say("report.disclaimer")]

    def _observation(self, image: Image, subject: dict[str, Any]) -> dict[str, Any]:
        view, result = image.view, image.view.result
        observation: dict[str, Any] = {
            "resourceType": "Observation",
            "id": f"image-{image.number}",
            "status": "entered-in-error" if image.status is Status.WITHDRAWN else "preliminary",
            "code": _concept(codes.ASSESSMENT),
            "subject": subject,
            "focus": [{"identifier": _uid(view.sop_instance_uid)}],
            "note": [{"text": self._say.of(flag)} for flag in view.flags],
        }
        if not observation["note"]:
            del observation["note"]
        if result is None:
            reason = {
                "coding": [{"system": SYSTEMS[OWN_SCHEME], "code": view.reason}],
                "text": result_sentence(self._say, view),
            }
            return {**observation, "dataAbsentReason": reason}
        observation["valueCodeableConcept"] = _concept(codes.ASSESSMENT_VALUE[result.outcome])
        percentage = {"value": round(100 * result.p_pneumonia, 4), "unit": "%"}
        observation["component"] = [
            {
                "code": _concept(codes.P_PNEUMONIA),
                "valueQuantity": {**percentage, "system": "http://unitsofmeasure.org", "code": "%"},
            }
        ]
        observation["method"] = {"text": f"{result.checkpoint_name} {result.checkpoint_version}"}
        return observation


def _task(message: DueMessage, study: StudyHistory, identity: Identity, *, stands: bool) -> dict[str, Any]:
    """Return the reading of an order as it is to stand.

    Parameters
    ----------
    stands
        Whether anything that was told of the order still holds.
    """
    reading, report = study.study.reading, _resource_id(identity)
    done = {"executionPeriod": {"end": _instant(reading.at)}} if reading is not None else {}
    return {
        "resourceType": "Task",
        "id": f"reading-{report}",
        "status": "entered-in-error" if not stands else "completed" if reading is not None else "requested",
        "intent": "proposal",
        "priority": PRIORITIES[message.priority],
        "code": _concept(_READING),
        "focus": {"type": "ImagingStudy", "identifier": _uid(message.study_instance_uid)},
        "for": _subject(identity),
        **done,
        "authoredOn": _instant(study.study.first_received_at),
        "lastModified": _instant(message.occurred_at),
        "requester": {"type": "Device", "display": MODEL_NAME},
        "input": [
            {"type": _concept(codes.PLAIN_CHEST_X_RAY), "valueReference": {"reference": f"DiagnosticReport/{report}"}}
        ],
        **_based_on(identity),
    }


def _based_on(identity: Identity) -> dict[str, Any]:
    accession = accession_of(identity.accession_number)
    if not accession:
        return {}
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}
    order = {"identifier": {"type": kind, "value": accession}}
    return {"basedOn": [{"type": "ServiceRequest", **order}]}


def _is_same_report(one: Identity, other: Identity) -> bool:
    """Return whether two images are in one report; one without Patient ID has a report of its own."""
    return is_same_order(one, other) and _resource_id(one) == _resource_id(other)


def _resource_id(identity: Identity) -> str:
    """Return the ID of an order's report: what comes later of the order replaces it.

    A Patient ID without its issuer names no patient: two sites number theirs alike.
    """
    order = f"{identity.study_instance_uid}/{identity.accession_number}/{identity.patient_id}"
    if identity.issuer_of_patient_id:
        order += f"/{identity.issuer_of_patient_id}"
    return f"ai-{hashlib.sha256(order.encode()).hexdigest()[:40]}"


def _subject(identity: Identity) -> dict[str, Any]:
    number: dict[str, Any] = {"value": identity.patient_id or "unknown"}
    if identity.issuer_of_patient_id:
        number["assigner"] = {"display": identity.issuer_of_patient_id}
    return {"type": "Patient", "identifier": number}


def _uid(value: str) -> dict[str, str]:
    """Return a UID as the identifier that FHIR makes of it (DICOM PS3.20, ImagingStudy.identifier)."""
    return {"system": "urn:dicom:uid", "value": f"urn:oid:{value}"}


def _concept(concept: Concept) -> dict[str, Any]:
    coding = {"system": SYSTEMS[concept.scheme], "code": concept.value, "display": concept.meaning}
    return {"coding": [coding]}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
