"""What the listener tells the audit trail: what it received, and whom it refused.

References
----------
PS3.15 section A.5.3
"""

import socket
import threading
import time

from service.audit import AuditTrail, events
from service.audit.events import Node
from service.vocabulary.errors import AuscultError, RefusedObject
from service.vocabulary.facts import EventKind
from service.vocabulary.identity import Identity

#: Seconds in which one stranger makes one alert: a health check may knock every second for years.
_ALERT_EVERY_S = 60.0
#: Strangers that are remembered.
_MOST_STRANGERS = 1000


class Auditor:
    """The listener's side of the audit trail; its methods never raise."""

    def __init__(self, trail: AuditTrail, ae_title: str) -> None:
        self._trail = trail
        self._ourselves = Node(ae_title, socket.gethostname())
        self._lock = threading.Lock()
        # When each stranger's last alert was, and how often it was refused since.
        self._strangers: dict[tuple[str, str], tuple[float, int]] = {}

    def received(self, ae_title: str, address: str, identity: Identity, *, is_new: bool) -> None:
        """Note an object that is durable."""
        self._trail.note(
            events.instances_transferred,
            Node(ae_title, address),
            self._ourselves,
            identity,
            is_new=is_new,
            sop_classes={identity.sop_instance_uid: identity.sop_class_uid},
        )

    def closed(self, identity: Identity) -> None:
        """Note a study that a final report says was read."""
        what = EventKind.STUDY_CLOSED.value
        self._trail.note(events.study_marked, self._ourselves, "", "", identity, what=what)

    def not_taken(self, ae_title: str, address: str, identity: Identity, error: AuscultError, status: int) -> None:
        """Note an object that was refused; while we can take none, one a minute from a node, the others counted."""
        is_at_fault = isinstance(error, RefusedObject)
        unsaid = 0 if is_at_fault else self._unsaid(f"{status:04X} {ae_title}", address)
        if unsaid is not None:
            why = f"status 0x{status:04X}: {error}{_more(unsaid)}"
            source = Node(ae_title, address)
            self._trail.note(
                events.instances_refused, source, self._ourselves, identity, why=why, is_at_fault=is_at_fault
            )

    def refused(self, ae_title: str, address: str, why: str) -> None:
        """Note somebody who may not associate; its next refusals are counted, and told with the next alert."""
        unsaid = self._unsaid(ae_title, address)
        if unsaid is not None:
            self._trail.note(events.node_refused, self._ourselves, Node(ae_title, address), why=why + _more(unsaid))

    def _unsaid(self, ae_title: str, address: str) -> int | None:
        """Return how many refusals were not told since the last one; None while it is too early for another."""
        with self._lock:
            now = time.monotonic()
            last, unsaid = self._strangers.pop((ae_title, address), (now - _ALERT_EVERY_S, 0))
            is_due = now - last >= _ALERT_EVERY_S
            self._strangers[ae_title, address] = (now, 0) if is_due else (last, unsaid + 1)
            if len(self._strangers) > _MOST_STRANGERS:
                self._strangers.pop(next(iter(self._strangers)))
        return unsaid if is_due else None


def _more(unsaid: int) -> str:
    return f"; refused {unsaid} times more since the last alert" if unsaid else ""
