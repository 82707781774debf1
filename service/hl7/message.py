"""HL7 v2 as it is read: tolerant of what real senders do, and strict about who speaks and what it is.

Tolerated: LF or CR LF where CR ends a segment, none after the last; line feeds within a text; delimiters of the
sender's own; a character set that is not declared or declared wrongly; segments and fields that nobody knows.

References
----------
HL7 Version 2.5.1, sections 2.5 (delimiters), 2.6 (construction), 2.7 (escape sequences) and 2.15.9 (MSH); table 0211
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: Table 0211; what is not in here is read as UTF-8, or else as Latin-1, which any bytes are.
_CODECS = {
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    **{f"8859/{part}": f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))},
    "ISO IR14": "iso2022_jp",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_2",
    "GB 18030-2000": "gb18030",
    "KS X 1001": "euc_kr",
    "BIG-5": "big5",
}
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_MESSAGE = re.compile(r"(?:^|(?<=[\r\n]))(?=MSH)")
_ENVELOPE = ("FHS", "BHS", "BTS", "FTS")
#: What stands for a delimiter in a text (2.7.1).
_NULL = '""'


class FieldPlace(NamedTuple):
    """A field that is read, or one component of it, and what it tells."""

    segment: str
    field: int
    component: int = 1
    meaning: str = ""

    def __str__(self) -> str:
        return f"{self.segment}-{self.field}" + (f".{self.component}" if self.component > 1 else "")


@dataclass(frozen=True)
class Delimiters:
    """What parts a message, by MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


@dataclass(frozen=True)
class Segment:
    """One segment; its values are what was meant, without escapes, and empty where nothing is said."""

    name: str
    _fields: tuple[str, ...]
    _delimiters: Delimiters

    def value(self, field: int, component: int = 1) -> str:
        """Return the first repetition of a field's component."""
        return next((one[component - 1] for one in self.repetitions(field) if len(one) >= component), "")

    def repetitions(self, field: int) -> list[list[str]]:
        """Return the components of each repetition of a field, of subcomponents the first that says something."""
        if field >= len(self._fields) or not self._fields[field]:
            return []
        repeated = self._fields[field].split(self._delimiters.repetition)
        return [[self._first_of(part) for part in one.split(self._delimiters.component)] for one in repeated]

    def subcomponents(self, field: int, component: int) -> list[list[str]]:
        """Return the subcomponents of a component, for each repetition of a field."""
        if field >= len(self._fields) or not self._fields[field]:
            return []
        found = []
        for one in self._fields[field].split(self._delimiters.repetition):
            parts = one.split(self._delimiters.component)
            named = parts[component - 1] if len(parts) >= component else ""
            found.append([self._unescaped(part) for part in named.split(self._delimiters.subcomponent)])
        return found

    def _first_of(self, component: str) -> str:
        parts = (self._unescaped(part) for part in component.split(self._delimiters.subcomponent))
        return next(filter(None, parts), "")

    def _unescaped(self, raw: str) -> str:
        raw = raw.strip()
        if raw == _NULL:
            return ""
        escape = self._delimiters.escape
        if not escape or escape not in raw:
            return raw
        literal = {
            "F": self._delimiters.field,
            "S": self._delimiters.component,
            "T": self._delimiters.subcomponent,
            "R": self._delimiters.repetition,
            "E": escape,
            ".br": " ",
            ".sp": " ",
        }
        mark = re.escape(escape)
        # Highlighting, fonts and the sender's own sequences say nothing of a name or a number.
        return re.sub(f"{mark}([^{mark}]*){mark}", lambda found: literal.get(found[1], ""), raw).strip()


@dataclass(frozen=True)
class Hl7Message:
    """A message as it is read; its first segment is MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """MSH."""
        return self.segments[0]

    @property
    def kind(self) -> tuple[str, str]:
        """Message type and trigger event, such as ``("ORU", "R01")``."""
        return self.header.value(9, 1).upper(), self.header.value(9, 2).upper()


def messages_in(block: bytes) -> Iterator[bytes]:
    """Yield each message of a block; of a batch, without its envelope.

    Before the first of them, nothing that a RIS writes says anything.
    """
    lines = block.decode("latin-1")
    for found in _MESSAGE.split(lines):
        if found.startswith("MSH"):
            yield found.encode("latin-1")


def parse(content: bytes) -> Hl7Message | None:
    """Return a message; None where it does not begin with the delimiters that it is to be read by."""
    head = re.split(r"[\r\n]", content[:4096].decode("latin-1"), maxsplit=1)[0]
    delimiters = _delimiters(head)
    if delimiters is None:
        return None
    declared = head.split(delimiters.field)[17:18]
    text = _decoded(content, declared[0].split(delimiters.repetition)[0].strip().upper() if declared else "")
    lines: list[str] = []
    # Some senders pad with NUL, which says nothing, and which PostgreSQL keeps in no text.
    for line in re.split(r"[\r\n]+", text.replace("\0", "")):
        if _SEGMENT.fullmatch(line[:3]) and line[3:4] in ("", delimiters.field):
            lines.append(line)
        elif line.strip() and lines:
            lines[-1] += f" {line.strip()}"  # a line feed that stood in a text
    if not lines:
        return None
    return Hl7Message(
        tuple(_segment(line, delimiters) for line in lines if line[:3] not in _ENVELOPE),
    )


def _delimiters(head: str) -> Delimiters | None:
    field, others = head[3:4], head[4:].split(head[3:4], maxsplit=1)[0] if len(head) > 4 else ""
    marks = [field, *others[:4]]
    # Of ASCII, for they must part the text in whatever character set it is.
    is_one = all(mark.isascii() and mark.isprintable() and not mark.isalnum() and mark != " " for mark in marks)
    if not field or not 1 <= len(others) <= 5 or not is_one or len(set(marks)) != len(marks):
        return None
    # A delimiter that is not named is not used.
    return Delimiters(*marks, *("\0" for _ in range(5 - len(marks))))


def _decoded(content: bytes, declared: str) -> str:
    codec = _CODECS.get(declared)
    if codec is not None:
        try:
            return content.decode(codec)
        except UnicodeDecodeError:
            pass
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _segment(line: str, delimiters: Delimiters) -> Segment:
    fields: Sequence[str] = line.split(delimiters.field)
    if line.startswith("MSH"):
        # The delimiter itself is the first field, and the second is no text.
        fields = ["MSH", "", "", *fields[2:]]
    return Segment(line[:3], tuple(fields), delimiters)
