"""The acknowledgement of a message: that it is kept, or why not; never with anything that the message said.

References
----------
HL7 Version 2.5.1, sections 2.9.2 (original mode) and 2.9.3 (enhanced mode), 2.15.8 (MSA) and 2.15.5 (ERR); tables 0008
and 0357
"""

import secrets
from datetime import datetime
from enum import Enum

from service.hl7.encoding import encoded, header, parts, segment, text, timestamp
from service.hl7.message import Segment
from service.vocabulary.orders import MOST_ORDERS

_LONGEST = 199


class MessageAnswer(Enum):
    """What a message is answered.

    Its value is the acknowledgement code, the error code of table 0357 and its name, where the error is (ERR-2), and
    what a person at the sender is told besides (ERR-8).
    """

    TAKEN = ("AA", 0, "", "", "")
    UNREADABLE = ("AR", 100, "Segment sequence error", "MSH^1", "it does not begin with MSH and its delimiters")
    NO_CONTROL_ID = ("AE", 101, "Required field missing", "MSH^1^10", "MSH-10 is empty")
    SENDER = ("AR", 103, "Table value not found", "MSH^1^3", "MSH-3 or MSH-4 is not one of those that are heard")
    KIND = ("AR", 200, "Unsupported message type", "MSH^1^9", "heard are ORU^R01, ORM^O01, OMI^O23 and OMG^O19")
    PROCESSING_ID = ("AR", 202, "Unsupported processing id", "MSH^1^11", "other messages than these are heard here")
    TOO_LONG = ("AR", 207, "Application internal error", "", "it is longer than what is heard")
    TOO_MANY = (
        "AR",
        207,
        "Application internal error",
        "",
        f"it has more than {MOST_ORDERS} orders; send several",
    )
    UNAVAILABLE = ("AR", 207, "Application internal error", "", "it cannot be kept at this moment; send it again")
    UNFORESEEN = ("AE", 207, "Application internal error", "", "a fault of the receiver's own; its log says where")

    @property
    def is_taken(self) -> bool:
        """Whether the message need not be sent again."""
        return self is MessageAnswer.TAKEN


def acknowledgement(
    answer: MessageAnswer, to: Segment | None, at: datetime, *, application: str = "AUSCULT", facility: str = ""
) -> bytes:
    """Return the acknowledgement of a message.

    Parameters
    ----------
    to
        MSH of the message; None where it has none that can be read.
    """

    def said(field: int, component: int = 1) -> str:
        return text(to.value(field, component)[:_LONGEST]) if to is not None else ""

    code, number, name, place, reason = answer.value
    # Whoever wants an accept acknowledgement is in enhanced mode (MSH-15).
    if said(15) in ("AL", "ER", "SU"):
        code = f"C{code[1]}"
    trigger = said(9, 2)
    fields = {
        3: text(application),
        4: text(facility),
        5: said(3),
        6: said(4),
        7: timestamp(at),
        9: f"ACK^{trigger}^ACK" if trigger else "ACK",
        10: secrets.token_hex(10),
        11: said(11) or "P",
        12: said(12) or "2.5.1",
        18: "UNICODE UTF-8",
    }
    lines = [header(fields), segment("MSA", {1: code, 2: said(10)})]
    if number:
        error = parts(str(number), name, "HL70357")
        lines.append(segment("ERR", {2: place, 3: error, 4: "E", 8: text(reason)}))
    return encoded(lines, "UNICODE UTF-8")
