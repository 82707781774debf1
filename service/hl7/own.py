"""What tells that a message of ours comes back: an interface engine may rewrite who sent it, and not what it says."""

import hashlib
import re

from service.hl7.message import Hl7Message, Segment
from service.vocabulary.report_kinds import OWN_SCHEME

_OWN = re.compile(r"AI[0-9A-F]{18}")


def filler_number(study_instance_uid: str, accession_number: str) -> str:
    """Return our filler order number (OBR-3) of what we say of a study."""
    digest = hashlib.sha256(f"{study_instance_uid}/{accession_number}".encode()).hexdigest()
    return f"AI{digest[:18].upper()}"


def is_own(message: Hl7Message, applications: frozenset[str]) -> bool:
    """Return whether a message is one of ours: by its sender, its order number, or our codes in it."""
    return message.header.value(3) in applications or any(_says_ours(segment) for segment in message.segments)


def _says_ours(segment: Segment) -> bool:
    if segment.name in ("ORC", "OBR"):
        return _OWN.fullmatch(segment.value(3)) is not None
    return segment.name == "OBX" and OWN_SCHEME in (segment.value(3, 3), segment.value(3, 6))
