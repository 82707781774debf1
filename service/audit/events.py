"""Which message each event makes: the tables of PS3.15 section A.5.3."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from service.audit.message import AuditMessage, CodedValue, EventOutcome, Participant, Subject
from service.vocabulary.identity import Identity

_APPLICATION = CodedValue("110150", "Application")
_DESTINATION = CodedValue("110152", "Destination Role ID")
_SOURCE = CodedValue("110153", "Source Role ID")
_STUDY = CodedValue("110180", "Study Instance UID")
_SOP_CLASS = CodedValue("110181", "SOP Class UID")
_NODE = CodedValue("110182", "Node ID")
_PATIENT_NUMBER = CodedValue("2", "Patient Number", "RFC-3881")


@dataclass(frozen=True)
class Node:
    """An application entity and where it is.

    Attributes
    ----------
    host
        Its address or machine name; empty where it is not known.
    """

    ae_title: str
    host: str = ""

    def participant(self, *roles: CodedValue, is_requestor: bool) -> Participant:
        """Return the node as a participant: the user is the node itself."""
        titles = f"AETITLES={self.ae_title}"
        return Participant(self.ae_title, is_requestor, roles, self.host, titles)

    def alerted(self, what: str) -> Subject:
        """Return the node as what a security alert is about, and what happened (PS3.15 section A.5.3.12)."""
        name, told = self.host or self.ae_title, {"Alert Description": what}
        return Subject(id=name, id_type=_NODE, kind="2", role="13", name=self.ae_title, details=told)


def application_activity(at: datetime, node: Node, *, process: str, starts: bool) -> AuditMessage:
    """Return the message of a process that starts or stops (PS3.15 section A.5.3.1)."""
    return AuditMessage(
        event=CodedValue("110100", "Application Activity"),
        event_type=CodedValue("110120", "Application Start") if starts else CodedValue("110121", "Application Stop"),
        action="E",
        at=at,
        outcome=EventOutcome.SUCCESS,
        participants=(Participant(process, False, (_APPLICATION,), node.host, f"AETITLES={node.ae_title}"),),
    )


def instances_transferred(
    at: datetime, source: Node, destination: Node, identity: Identity, *, is_new: bool, sop_classes: Mapping[str, str]
) -> AuditMessage:
    """Return the message of instances of one study that went from one node to another (PS3.15 section A.5.3.7).

    Parameters
    ----------
    identity
        Whose they are, and of which study.
    is_new
        Whether the destination did not hold them before.
    sop_classes
        SOP Class UID by SOP Instance UID.
    """
    return AuditMessage(
        event=CodedValue("110104", "DICOM Instances Transferred"),
        action="C" if is_new else "R",
        at=at,
        outcome=EventOutcome.SUCCESS,
        participants=(
            source.participant(_SOURCE, is_requestor=True),
            destination.participant(_DESTINATION, is_requestor=False),
        ),
        subjects=(_study(identity, sop_classes), _patient(identity)),
    )


def instances_refused(
    at: datetime, source: Node, destination: Node, identity: Identity, *, why: str, is_at_fault: bool
) -> AuditMessage:
    """Return the message of an instance that was not taken (PS3.15 section A.5.3.7).

    Parameters
    ----------
    identity
        Whose it is, as far as it could be read.
    is_at_fault
        Whether the instance is; else the destination could take nothing.
    """
    is_named = identity.sop_instance_uid and identity.sop_class_uid
    named = {identity.sop_instance_uid: identity.sop_class_uid} if is_named else {}
    return AuditMessage(
        event=CodedValue("110104", "DICOM Instances Transferred"),
        action="C",
        at=at,
        outcome=EventOutcome.MINOR_FAILURE if is_at_fault else EventOutcome.SERIOUS_FAILURE,
        description=why,
        participants=(
            source.participant(_SOURCE, is_requestor=True),
            destination.participant(_DESTINATION, is_requestor=False),
        ),
        subjects=(_study(identity, named), _patient(identity)),
    )


def query(
    at: datetime,
    source: Node,
    destination: Node,
    *,
    sop_class_uid: str,
    identifier: bytes,
    transfer_syntax_uid: str,
    why: str = "",
) -> AuditMessage:
    """Return the message of a query that a node sent to another (PS3.15 section A.5.3.10).

    Parameters
    ----------
    identifier
        The query's data set, encoded in the transfer syntax.
    why
        Why it failed; empty when it was answered.
    """
    return AuditMessage(
        event=CodedValue("110112", "Query"),
        action="E",
        at=at,
        outcome=EventOutcome.SERIOUS_FAILURE if why else EventOutcome.SUCCESS,
        description=why,
        participants=(
            source.participant(_SOURCE, is_requestor=True),
            destination.participant(_DESTINATION, is_requestor=False),
        ),
        subjects=(
            Subject(
                id=sop_class_uid,
                id_type=_SOP_CLASS,
                kind="2",
                role="3",
                query=identifier,
                details={"TransferSyntax": transfer_syntax_uid},
            ),
        ),
    )


def instances_deleted(
    at: datetime, process: str, node: Node, identity: Identity, *, sop_classes: Mapping[str, str]
) -> AuditMessage:
    """Return the message of instances that were removed, as by retention (PS3.15 section A.5.3.6)."""
    return AuditMessage(
        event=CodedValue("110103", "DICOM Instances Accessed"),
        action="D",
        at=at,
        outcome=EventOutcome.SUCCESS,
        participants=(Participant(process, True, (_APPLICATION,), node.host, f"AETITLES={node.ae_title}"),),
        subjects=(_study(identity, sop_classes), _patient(identity)),
    )


def instances_accessed(
    at: datetime, node: Node, user: str, host: str, identity: Identity, *, sop_classes: Mapping[str, str]
) -> AuditMessage:
    """Return the message of instances that a person looked at (PS3.15 section A.5.3.6).

    Parameters
    ----------
    user, host
        Who looked, and from where.
    identity
        Whose instances they are, and of which study.
    """
    return AuditMessage(
        event=CodedValue("110103", "DICOM Instances Accessed"),
        action="R",
        at=at,
        outcome=EventOutcome.SUCCESS,
        participants=(
            Participant(user, True, host=host),
            node.participant(_APPLICATION, is_requestor=False),
        ),
        subjects=(_study(identity, sop_classes), _patient(identity)),
    )


def study_marked(at: datetime, node: Node, user: str, host: str, identity: Identity, *, what: str) -> AuditMessage:
    """Return the message of a study that was closed, for it was read, or opened again (PS3.15 section A.5.3.15).

    Parameters
    ----------
    user, host
        Who says so, and from where; empty where no person did.
    identity
        Whose study it is.
    """
    person = (Participant(user, True, host=host),) if user else ()
    return AuditMessage(
        event=CodedValue("110111", "Procedure Record"),
        action="U",
        at=at,
        outcome=EventOutcome.SUCCESS,
        participants=(*person, node.participant(_APPLICATION, is_requestor=not person)),
        subjects=(replace(_study(identity, {}), details={"Reading": what}), _patient(identity)),
    )


def study_told(
    at: datetime, source: Node, receiver: str, host: str, identity: Identity, *, what: str, message_id: str
) -> AuditMessage:
    """Return the message of what was told of a study to a system outside, as by HL7 (PS3.15 section A.5.3.5).

    Parameters
    ----------
    receiver, host
        Our name for the system, and where it is.
    what, message_id
        The event that it was told, and the ID of the message.
    """
    return AuditMessage(
        event=CodedValue("110106", "Export"),
        action="R",
        at=at,
        outcome=EventOutcome.SUCCESS,
        participants=(
            source.participant(_SOURCE, is_requestor=True),
            Participant(receiver, False, (_DESTINATION,), host),
        ),
        subjects=(
            replace(_study(identity, {}), details={"Event": what, "MessageID": message_id}),
            _patient(identity),
        ),
    )


def node_refused(at: datetime, node: Node, stranger: Node, *, why: str) -> AuditMessage:
    """Return the security alert of a node that may not associate: its AE title, address or certificate.

    References
    ----------
    PS3.15 section A.5.3.12, Node Authentication
    """
    return AuditMessage(
        event=CodedValue("110113", "Security Alert"),
        event_type=CodedValue("110126", "Node Authentication"),
        action="E",
        at=at,
        outcome=EventOutcome.MINOR_FAILURE,
        description=why,
        participants=(
            node.participant(_APPLICATION, is_requestor=True),
            stranger.participant(is_requestor=False),
        ),
        subjects=(stranger.alerted(why),),
    )


def user_authentication(
    at: datetime, node: Node, user: str, host: str, *, logs_in: bool, succeeded: bool
) -> AuditMessage:
    """Return the message of a person who logs in or out, or tries to (PS3.15 section A.5.3.13)."""
    return AuditMessage(
        event=CodedValue("110114", "User Authentication"),
        event_type=CodedValue("110122", "Login") if logs_in else CodedValue("110123", "Logout"),
        action="E",
        at=at,
        outcome=EventOutcome.SUCCESS if succeeded else EventOutcome.MINOR_FAILURE,
        participants=(
            Participant(user, True, host=host),
            node.participant(_APPLICATION, is_requestor=False),
        ),
    )


def _study(identity: Identity, sop_classes: Mapping[str, str]) -> Subject:
    grouped: dict[str, tuple[str, ...]] = {}
    for instance_uid, class_uid in sop_classes.items():
        grouped[class_uid] = (*grouped.get(class_uid, ()), instance_uid)
    return Subject(
        id=identity.study_instance_uid,
        id_type=_STUDY,
        kind="2",
        role="3",
        name=identity.study_instance_uid,
        accession_number=identity.accession_number,
        sop_classes=grouped,
    )


def _patient(identity: Identity) -> Subject:
    return Subject(id=identity.patient_id, id_type=_PATIENT_NUMBER, kind="1", role="1", name=identity.patient_name)
