"""What the page tells the audit trail: who logged in, and who could not."""

import threading
import time

from service.core.audit import AuditTrail, events

#: Seconds in which one name at one address makes one message of its kind: a browser repeats its login each request.
_EVERY_S = 600.0
#: Names and addresses that are remembered.
_MOST = 1000


class LoginAuditor:
    """The page's side of the audit trail; its methods never raise.

    HTTP's Basic scheme knows no session: a login is the first request with a right password, and the first after ten
    minutes, and nothing tells of a logout. Failures are one message for each address in that time.
    """

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str, bool], float] = {}

    def logged_in(self, name: str, address: str) -> None:
        """Note a name whose password was right."""
        self._note(name, address, succeeded=True)

    def refused(self, address: str) -> None:
        """Note a refusal, without the name: it may be a password typed into the wrong field."""
        self._note("(not known)", address, succeeded=False)

    def _note(self, name: str, address: str, *, succeeded: bool) -> None:
        with self._lock:
            now, key = time.monotonic(), (name, address, succeeded)
            if now - self._told.get(key, now - _EVERY_S) < _EVERY_S:
                return
            self._told.pop(key, None)
            self._told[key] = now
            if len(self._told) > _MOST:
                self._told.pop(next(iter(self._told)))
        self._trail.note(events.user_authentication, self._trail.node, name, address, logs_in=True, succeeded=succeeded)
