"""A channel for tests: it keeps what it is told, and fails as it is told to."""

import json
from collections import deque

from service.ledger import DueMessage
from service.ledger.views import StudyHistory
from service.vocabulary.errors import DeliveryFailed


class FakeChannel:
    """A channel without a network.

    Attributes
    ----------
    told
        What was taken: each message, and its payload.
    script
        What becomes of the next messages: an error that is raised, or None for one that is taken. After its end every
        message is taken.
    silent
        Studies whose messages say nothing to this receiver.
    """

    def __init__(self) -> None:
        self.told: list[tuple[DueMessage, bytes]] = []
        self.script: deque[DeliveryFailed | None] = deque()
        self.silent: set[str] = set()
        self.is_open = False

    def build(self, message: DueMessage, study: StudyHistory) -> bytes | None:
        """Return the codes of a message as JSON."""
        if study.study.study_instance_uid in self.silent:
            return None
        result = message.instance.result
        facts = {
            "id": message.message_id,
            "event": message.event,
            "study": message.study_instance_uid,
            "image": message.instance.sop_instance_uid,
            "version": message.instance.version,
            "outcome": result.outcome if result is not None else None,
            "reason": message.instance.reason,
            "priority": message.priority.name,
            "supersession": message.supersession,
        }
        return json.dumps(facts).encode()

    def send(self, message: DueMessage, payload: bytes) -> str:
        """Take a message, or raise what the script says."""
        self.is_open = True
        error = self.script.popleft() if self.script else None
        if error is not None:
            raise error
        self.told.append((message, payload))
        return "taken"

    def close(self) -> None:
        """Note that it is closed."""
        self.is_open = False
