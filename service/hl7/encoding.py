"""HL7 v2 as it is written: segments in the vertical-bar encoding, and the block of MLLP around a message.

References
----------
HL7 Version 2.5.1, sections 2.5 (fields and delimiters) and 2.7 (escape sequences); Transport Specification: MLLP,
Release 1 (a block is <SB> data <EB><CR>)
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

BLOCK_START, BLOCK_END = b"\x0b", b"\x1c\r"
_ESCAPES = str.maketrans(
    {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    | {chr(code): " " for code in (*range(0x20), 0x7F)}
)
CODECS = {"UNICODE UTF-8": "utf-8", "8859/1": "latin-1", "ASCII": "ascii"}


def text(value: str) -> str:
    """Return text as it may stand in a component: no delimiter, no control character."""
    return value.translate(_ESCAPES)


def parts(*components: str) -> str:
    """Return a field of several components, the empty ones at its end left out."""
    return "^".join(map(text, components)).rstrip("^")


def timestamp(moment: datetime) -> str:
    """Return a moment as DTM, in UTC."""
    return f"{moment.astimezone(UTC):%Y%m%d%H%M%S}+0000"


def segment(name: str, fields: Mapping[int, str]) -> str:
    """Return a segment from its fields by number; what is not named is empty."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def header(fields: Mapping[int, str]) -> str:
    """Return MSH; its first field is the delimiter itself."""
    return "MSH|^~\\&|" + segment("", {number - 2: value for number, value in fields.items()})[1:]


def encoded(segments: Sequence[str], character_set: str) -> bytes:
    """Return a message as bytes."""
    return "".join(f"{one}\r" for one in segments).encode(CODECS[character_set], errors="replace")


def block(message: bytes) -> bytes:
    """Return a message as it goes over MLLP."""
    return BLOCK_START + message + BLOCK_END
