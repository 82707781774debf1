"""What is done with a message: it is kept, durably, and then acknowledged; or refused with the reason."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from service.hl7.acknowledgement import MessageAnswer, acknowledgement
from service.hl7.meaning import ORDERS, RESULTS, orders_in
from service.hl7.message import Hl7Message, messages_in, parse
from service.hl7.mllp import Block
from service.hl7.own import is_own
from service.ledger import Orders
from service.process.clock import Clock, utc_now
from service.process.log import get_logger, origin
from service.process.sparingly import Sparing
from service.settings import Settings
from service.vocabulary.errors import Unavailable
from service.vocabulary.identity import Identity
from service.vocabulary.orders import MOST_ORDERS, HeardMessage

log = get_logger(__name__)


class Heard(StrEnum):
    """What was made of a message."""

    KEPT = "kept"
    REPEATED = "repeated"
    """It was kept before."""
    PASSED_OVER = "passed over"
    """It says nothing of an order that is used."""
    OWN = "own"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    """The ledger cannot take it; the sender is to send it again."""


def _uncounted(_heard: Heard) -> None:
    """Count nothing."""


def _untold(_identity: Identity) -> None:
    """Tell nobody."""


@dataclass
class Hearing:
    """Answers the blocks of all connections; thread-safe.

    Attributes
    ----------
    count
        Is told what was made of each message.
    taken_off
        Is told of each study that a message took off the list, by the identity of an image.
    """

    settings: Settings
    orders: Orders
    count: Callable[[Heard], None] = _uncounted
    taken_off: Callable[[Identity], None] = _untold
    clock: Clock = utc_now
    warnings: Sparing = field(default_factory=lambda: Sparing(log))

    def answers(self, block: Block, address: str) -> Iterator[bytes]:
        """Yield the acknowledgement of each message of a block; what it acknowledges with AA is durable by then.

        Parameters
        ----------
        address
            Of the sender, for the log; nothing of a message stands there.
        """
        contents = list(messages_in(block.content)) or [block.content]
        for content in contents:
            message = parse(content) if content.startswith(b"MSH") else None
            try:
                answer, heard = self._heard(message, content, is_cut=block.is_cut)
            except Exception as error:  # noqa: BLE001 - a message that nobody foresaw must not keep others out
                # What the error says may come from the message, so only its place is told.
                log.error("a fault of auscult's own in an HL7 message: %s", origin(type(error), error.__traceback__))
                answer, heard = MessageAnswer.UNFORESEEN, Heard.REFUSED
            self.count(heard)
            if answer.is_taken:
                log.debug("HL7 message from %s: %s", address, heard)
            else:
                code, number, name, *_ = answer.value
                self.warnings.warn(address, f"HL7 message from {address} answered {code} ({number} {name})")
            ours = self.settings.hl7
            yield acknowledgement(
                answer,
                message.header if message is not None else None,
                self.clock(),
                application=ours.application,
                facility=ours.facility,
            )

    def _heard(self, message: Hl7Message | None, content: bytes, *, is_cut: bool) -> tuple[MessageAnswer, Heard]:
        objection = self._objection(message, is_cut=is_cut)
        if message is None or objection is not None:
            return objection or MessageAnswer.UNREADABLE, Heard.REFUSED
        if is_own(message, self._own_applications()):
            return MessageAnswer.TAKEN, Heard.OWN
        orders = orders_in(message, self.settings.hl7, self.settings.orders)
        if not orders:
            return MessageAnswer.TAKEN, Heard.PASSED_OVER
        if len(orders) > MOST_ORDERS:
            return MessageAnswer.TOO_MANY, Heard.REFUSED
        header = message.header
        sender = f"{header.value(3)}|{header.value(4)}"[:128]
        # Without MSH, in which a repetition may have another time.
        said = content.replace(b"\n", b"\r").partition(b"\r")[2]
        digest = hashlib.sha256(said).hexdigest()
        try:
            kept = self.orders.hear(HeardMessage(sender, header.value(10)[:199], digest, orders))
        except Unavailable as error:
            self.warnings.warn("ledger", f"an HL7 message is refused for now: {error}")
            return MessageAnswer.UNAVAILABLE, Heard.UNAVAILABLE
        for identity in kept.taken_off:
            self.taken_off(identity)
        return MessageAnswer.TAKEN, Heard.KEPT if kept.is_news else Heard.REPEATED

    def _objection(self, message: Hl7Message | None, *, is_cut: bool) -> MessageAnswer | None:
        """Return why a message is refused: the first reason that holds."""
        if message is None:
            return MessageAnswer.UNREADABLE
        ours, header = self.settings.hl7, message.header
        applications, facilities = ours.allowed_applications, ours.allowed_facilities
        reasons = (
            (MessageAnswer.TOO_LONG, is_cut),
            (MessageAnswer.NO_CONTROL_ID, not header.value(10)),
            (MessageAnswer.SENDER, bool(applications) and header.value(3) not in applications),
            (MessageAnswer.SENDER, bool(facilities) and header.value(4) not in facilities),
            (MessageAnswer.PROCESSING_ID, header.value(11) not in ("", ours.processing_id)),
            (MessageAnswer.KIND, message.kind not in RESULTS | ORDERS),
        )
        return next((answer for answer, holds in reasons if holds), None)

    def _own_applications(self) -> frozenset[str]:
        sending = (getattr(receiver, "sending_application", "") for receiver in self.settings.receivers)
        return frozenset({self.settings.hl7.application, *filter(None, sending)})
