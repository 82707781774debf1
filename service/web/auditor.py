"""What the page tells the audit trail: who logged in, who could not, and who looked at whose images."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable

from service.audit import AuditTrail, events
from service.audit.administration_events import AuditedChange, administered
from service.audit.list_events import list_viewed
from service.ledger.views import InstanceView
from service.vocabulary.facts import EventKind
from service.vocabulary.identity import Identity

#: Seconds in which one name at one address makes one message of its kind: a browser repeats its login each request.
_EVERY_S = 600.0
#: Messages that are remembered.
_MOST = 10_000
#: The name of somebody who did not log in, or could not.
NOT_KNOWN = "(not known)"


class PageAuditor:
    """The page's side of the audit trail; its methods never raise.

    Where each request says who asks (HTTP's Basic scheme, tokens, a proxy), a login is the first one, and the first
    after ten minutes, and nothing tells of a logout; a session tells of both. Failures are one message for each address
    in that time, and so is a look at an image or a list, for each name and address.
    """

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str, str], float] = {}

    def logged_in(self, name: str, address: str) -> None:
        """Note somebody whose requests each say who it is, by a password, a token or a proxy."""
        self._note_login(name, address, succeeded=True)

    def signed_in(self, name: str, address: str) -> None:
        """Note a session that began."""
        self._trail.note(events.user_authentication, self._trail.node, name, address, logs_in=True, succeeded=True)

    def signed_out(self, name: str, address: str) -> None:
        """Note a session that its person ended."""
        self._trail.note(events.user_authentication, self._trail.node, name, address, logs_in=False, succeeded=True)

    def refused(self, address: str) -> None:
        """Note a refusal, without the name: it may be a password typed into the wrong field."""
        self._note_login(NOT_KNOWN, address, succeeded=False)

    def viewed(self, name: str, address: str, versions: Iterable[InstanceView]) -> None:
        """Note that images, or what the ledger says of them, were shown; one message for each patient and study."""
        shown = defaultdict(list)
        for version in versions:
            if self._is_news(name, address, f"{version.sop_instance_uid} version {version.version}"):
                identity = version.identity
                shown[identity.study_instance_uid, identity.patient_id, identity.patient_name].append(identity)
        for identities in shown.values():
            sop_classes = {identity.sop_instance_uid: identity.sop_class_uid for identity in identities}
            self._trail.note(
                events.instances_accessed, self._trail.node, name, address, identities[0], sop_classes=sop_classes
            )

    def listed(self, name: str, address: str, path: str, filters: str) -> None:
        """Note that a list was shown, or a stream of its changes began; one message for each path and its filters."""
        if self._is_news(name, address, f"list {path}?{filters}"):
            node = self._trail.node
            self._trail.note(list_viewed, node, name, address, path=path, filters=filters)

    def marked(self, name: str, address: str, identity: Identity, what: EventKind) -> None:
        """Note that a study was closed, for it was read, or opened again."""
        node = self._trail.node
        self._trail.note(events.study_marked, node, name, address, identity, what=what.value)

    def administered(self, name: str, address: str, change: AuditedChange, what: str) -> None:
        """Note that somebody changed how the site runs, or who may use it."""
        self._trail.note(administered, self._trail.node, name, address, change=change, what=what)

    def _note_login(self, name: str, address: str, *, succeeded: bool) -> None:
        if self._is_news(name, address, "logged in" if succeeded else "refused"):
            self._trail.note(
                events.user_authentication, self._trail.node, name, address, logs_in=True, succeeded=succeeded
            )

    def _is_news(self, name: str, address: str, what: str) -> bool:
        """Return whether something was not told in the last minutes; it counts as told from now on."""
        with self._lock:
            now, key = time.monotonic(), (name, address, what)
            if now - self._told.get(key, now - _EVERY_S) < _EVERY_S:
                return False
            self._told.pop(key, None)
            self._told[key] = now
            if len(self._told) > _MOST:
                self._told.pop(next(iter(self._told)))
            return True
