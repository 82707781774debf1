"""The message of somebody who changed how the site runs, or who may use it."""

from datetime import datetime
from enum import Enum

from service.audit.events import Node
from service.audit.message import AuditMessage, CodedValue, EventOutcome, Participant

_APPLICATION = CodedValue("110150", "Application")


class AuditedChange(Enum):
    """What kind of change it was (PS3.16 Context Group 403)."""

    USERS = CodedValue("110137", "User security Attributes Changed")
    SOFTWARE = CodedValue("110131", "Software Configuration")
    ALL_STUDIES = CodedValue("110132", "Use of Restricted Function")


def administered(at: datetime, node: Node, user: str, host: str, *, change: AuditedChange, what: str) -> AuditMessage:
    """Return the message of a change that is about no single study (PS3.15 section A.5.3.12, Security Alert).

    Parameters
    ----------
    user, host
        Who changed it, and from where; empty where the settings did.
    what
        What was done, in words; never a patient's name.
    """
    person = (Participant(user, True, host=host),) if user else ()
    return AuditMessage(
        event=CodedValue("110113", "Security Alert"),
        event_type=change.value,
        action="E",
        at=at,
        outcome=EventOutcome.SUCCESS,
        description=what,
        participants=(*person, node.participant(_APPLICATION, is_requestor=not person)),
        subjects=(node.alerted(what),),
    )
