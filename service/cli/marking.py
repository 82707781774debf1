"""What a person does at a terminal goes into the audit trail, as what is done on the page does."""

import socket

from service.audit import AuditTrail, events
from service.audit.administration_events import AuditedChange, administered
from service.cli.person import user_name
from service.ledger import Ledger
from service.ledger.views import StudyHistory
from service.settings import Settings
from service.texts import Texts
from service.vocabulary.errors import AuscultError
from service.vocabulary.facts import EventKind


def known_history(say: Texts, ledger: Ledger, uid: str) -> StudyHistory:
    """Return what the ledger knows of a study, by the UID of itself, of an image or of a report in it.

    Raises
    ------
    AuscultError
        When it knows none.
    """
    history = ledger.inspection.history(uid)
    if history is None:
        raise AuscultError(say("command.unknown_uid", uid=uid))
    return history


def note_marked(settings: Settings, history: StudyHistory, event: EventKind) -> None:
    """Tell the audit trail what was done about a study."""
    trail = AuditTrail(settings)
    identity = history.versions[0].identity
    trail.note(events.study_marked, trail.node, user_name(), socket.gethostname(), identity, what=event.value)
    trail.close()


def note_administered(settings: Settings, change: AuditedChange, what: str) -> None:
    """Tell the audit trail what was changed about how the site runs, or who may use it."""
    trail = AuditTrail(settings)
    trail.note(administered, trail.node, user_name(), socket.gethostname(), change=change, what=what)
    trail.close()
