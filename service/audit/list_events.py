"""The message of a person who looked at a list: who saw whose names when no single study was opened."""

from datetime import datetime

from service.audit.events import Node
from service.audit.message import AuditMessage, CodedValue, EventOutcome, Participant, Subject

_ADDRESS = CodedValue("12", "URI", "RFC-3881")
_DESTINATION = CodedValue("110152", "Destination Role ID")
_SOURCE = CodedValue("110153", "Source Role ID")


def list_viewed(at: datetime, node: Node, user: str, host: str, *, path: str, filters: str) -> AuditMessage:
    """Return the message of a person who looked at a list of studies (PS3.15 section A.5.3.10).

    Parameters
    ----------
    user, host
        Who looked, and from where.
    filters
        What was asked for, as the query of an address; never a patient's name.
    """
    return AuditMessage(
        event=CodedValue("110112", "Query"),
        action="E",
        at=at,
        outcome=EventOutcome.SUCCESS,
        participants=(
            Participant(user, True, (_SOURCE,), host),
            node.participant(_DESTINATION, is_requestor=False),
        ),
        subjects=(Subject(id=path, id_type=_ADDRESS, kind="2", role="3", query=filters.encode()),),
    )
