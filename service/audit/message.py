"""A DICOM audit message: its parts, and its XML as the schema of PS3.15 section A.5.1 wants it."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from xml.etree import ElementTree as ET

#: What XML 1.0 does not allow in any form; a patient's name may hold it.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ADDRESS = re.compile(r"[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")


class EventOutcome(StrEnum):
    """The Event Outcome Indicator (PS3.15 section A.5.2, RFC 3881)."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"


@dataclass(frozen=True)
class CodedValue:
    """A coded value: of DICOM's own scheme, or of RFC 3881."""

    value: str
    meaning: str
    scheme: str = "DCM"


@dataclass(frozen=True)
class Participant:
    """Who took part: a process, a node or a person.

    Attributes
    ----------
    host
        Its network address or machine name.
    """

    user_id: str
    is_requestor: bool
    roles: tuple[CodedValue, ...] = ()
    host: str = ""
    alternative_user_id: str = ""
    user_name: str = ""


@dataclass(frozen=True)
class Subject:
    """What the event is about: a patient, a study, a node.

    Attributes
    ----------
    kind, role
        Participant Object Type CodedValue and Type CodedValue Role (PS3.15 section A.5.1.2).
    sop_classes
        SOP Instance UIDs by SOP Class UID.
    details
        Free values by name.
    query
        The query itself, in place of a name.
    """

    id: str
    id_type: CodedValue
    kind: str
    role: str
    name: str = ""
    accession_number: str = ""
    sop_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    query: bytes = b""


@dataclass(frozen=True)
class AuditMessage:
    """One event."""

    event: CodedValue
    action: str
    at: datetime
    outcome: EventOutcome
    participants: tuple[Participant, ...]
    subjects: tuple[Subject, ...] = ()
    event_type: CodedValue | None = None
    description: str = ""

    def xml(self, source_id: str, site_id: str) -> bytes:
        """Return the message as one line of XML in UTF-8, without a declaration.

        Parameters
        ----------
        source_id, site_id
            Audit Source ID, and Audit Enterprise Site ID unless empty.
        """
        root = ET.Element("AuditMessage")
        self._add_event(root)
        for participant in self.participants:
            _add_participant(root, participant)
        source = _sub(root, "AuditSourceIdentification", AuditEnterpriseSiteID=site_id, AuditSourceID=source_id)
        _sub(source, "AuditSourceTypeCode", **{"csd-code": "4"})  # an application server process
        for subject in self.subjects:
            _add_subject(root, subject)
        encoded: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=False)
        # The file holds one message a line; to whoever parses the XML, &#10; is the same character.
        return encoded.replace(b"\n", b"&#10;")

    def _add_event(self, root: ET.Element) -> None:
        element = _sub(
            root,
            "EventIdentification",
            EventActionCode=self.action,
            EventDateTime=self.at.isoformat(timespec="milliseconds"),
            EventOutcomeIndicator=self.outcome.value,
        )
        _add_code(element, "EventID", self.event)
        if self.event_type is not None:
            _add_code(element, "EventTypeCode", self.event_type)
        if self.description:
            _sub(element, "EventOutcomeDescription").text = _clean(self.description)


def _add_participant(root: ET.Element, participant: Participant) -> None:
    host = participant.host
    access = {"NetworkAccessPointID": host, "NetworkAccessPointTypeCode": "2" if _ADDRESS.fullmatch(host) else "1"}
    element = _sub(
        root,
        "ActiveParticipant",
        AlternativeUserID=participant.alternative_user_id,
        UserName=participant.user_name,
        UserIsRequestor=str(participant.is_requestor).lower(),
        **(access if host else {}),
    )
    element.set("UserID", _clean(participant.user_id))
    for role in participant.roles:
        _add_code(element, "RoleIDCode", role)


def _add_subject(root: ET.Element, subject: Subject) -> None:
    element = _sub(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectTypeCode=subject.kind,
        ParticipantObjectTypeCodeRole=subject.role,
    )
    element.set("ParticipantObjectID", _clean(subject.id))
    _add_code(element, "ParticipantObjectIDTypeCode", subject.id_type)
    if subject.query:
        _sub(element, "ParticipantObjectQuery").text = base64.b64encode(subject.query).decode()
    else:
        _sub(element, "ParticipantObjectName").text = _clean(subject.name)
    for name, value in subject.details.items():
        # A stranger may have typed it; the standard wants such values in base64.
        encoded = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
        _sub(element, "ParticipantObjectDetail", type=name, value=encoded)
    if not (subject.accession_number or subject.sop_classes):
        return
    description = _sub(element, "ParticipantObjectDescription")
    if subject.accession_number:
        _sub(description, "Accession", Number=subject.accession_number)
    for sop_class_uid, instance_uids in subject.sop_classes.items():
        sop_class = _sub(description, "SOPClass", UID=sop_class_uid, NumberOfInstances=str(len(instance_uids)))
        for uid in instance_uids:
            _sub(sop_class, "Instance", UID=uid)


def _add_code(parent: ET.Element, name: str, code: CodedValue) -> None:
    _sub(parent, name, **{"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning})


def _sub(parent: ET.Element, name: str, **attributes: str) -> ET.Element:
    """Add an element; attributes without a value are left out."""
    return ET.SubElement(parent, name, {key: _clean(value) for key, value in attributes.items() if value})


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
