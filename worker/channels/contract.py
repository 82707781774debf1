"""What the delivery worker asks of a channel, and what a channel is given."""

import threading
from dataclasses import dataclass
from typing import Protocol

from service.audit import AuditTrail
from service.ledger import DueMessage, Ledger
from service.ledger.views import StudyHistory
from service.objects import ObjectStore
from service.process.clock import Clock, utc_now
from service.settings import Settings


@dataclass(frozen=True)
class Surroundings:
    """What every channel of a delivery worker has in common.

    Attributes
    ----------
    stop
        Set by a signal: what is under way is finished, the rest is given back.
    """

    settings: Settings
    ledger: Ledger
    store: ObjectStore
    trail: AuditTrail
    stop: threading.Event
    clock: Clock = utc_now


class Channel(Protocol):
    """Brings messages to one receiver; used by one thread."""

    def build(self, message: DueMessage, study: StudyHistory) -> bytes | None:
        """Return a message as it goes out, or None when the event says nothing to this receiver.

        The same message and study give the same bytes, at whatever attempt.
        """

    def send(self, message: DueMessage, payload: bytes) -> str:
        """Send a message and wait for the answer; return that the receiver took it, in its words.

        No answer, and nothing that is raised, quotes the message: it names a patient.

        Raises
        ------
        TransientDeliveryFailure
            When the receiver cannot take it for now: without a status when no answer came.
        PermanentDeliveryFailure
            When the receiver refuses it for good.
        """

    def close(self) -> None:
        """Let go of a connection that is kept."""
