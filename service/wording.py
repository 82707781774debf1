"""Values as people and programs read them: names, dates, spans, reasons, JSON."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from typing import Any

from service.scope import Reason
from service.vocabulary.findings import Finding


def reason_in_words(reason: str | None) -> str:
    """Return a recorded reason as a phrase."""
    if not reason:
        return "no reason recorded"
    known = Reason.__members__.get(reason.upper())
    return known.value if known is not None else reason.replace("_", " ")


_SOURCES = {"prediction": "AI result", "default": "no order priority"}

_FINDINGS = {
    # The class is called normal where it was trained; nothing here calls an image normal.
    Finding.NORMAL: "no pneumonia pattern",
    Finding.PNEUMONIA: "pneumonia",
    Finding.BACTERIAL_PNEUMONIA: "bacterial pneumonia",
    Finding.VIRAL_PNEUMONIA: "viral pneumonia",
}


def priority_source(source: str) -> str:
    """Return where a priority comes from, for a reader."""
    return _SOURCES.get(source, source)


def finding_in_words(finding: Finding) -> str:
    """Return what a class means, for a reader."""
    return _FINDINGS[finding]


def person_name(value: str) -> str:
    """Return a person's name for display: "family, given", the ideographic form beside the alphabetic.

    Source: PS3.5 section 6.2, value representation PN.
    """
    alphabetic, ideographic, phonetic = [*value.split("="), "", "", ""][:3]
    name, original = _alphabetic(alphabetic), _in_order(ideographic)
    if name and original:
        return f"{name} ({original})"
    return name or original or _in_order(phonetic)


def _alphabetic(group: str) -> str:
    family, given, middle, prefix, suffix = [part.strip() for part in [*group.split("^"), "", "", "", "", ""][:5]]
    first = " ".join(part for part in (prefix, given, middle) if part)
    name = ", ".join(part for part in (family, first) if part)
    return f"{name} {suffix}".strip()


def _in_order(group: str) -> str:
    """Return the parts of a name in a script that writes no comma between family and given name."""
    return " ".join(part.strip() for part in group.split("^") if part.strip())


def calendar_date(value: str) -> str:
    """Return a DICOM date (PS3.5 section 6.2, DA) as YYYY-MM-DD; anything else as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdecimal() else value


def duration(span: timedelta) -> str:
    """Return a length of time in its two largest units, such as "2 h 05 min"."""
    minutes, seconds = divmod(max(int(span.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min" if minutes else f"{seconds} s"


def json_value(value: Any) -> Any:
    """Return a view or a row as JSON knows it: moments in ISO 8601, spans in seconds, states by name."""
    if is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(json_value(key)): json_value(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(part) for part in value]
    return _json_scalar(value)


def _json_scalar(value: Any) -> Any:
    if isinstance(value, IntEnum):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return value.total_seconds() if isinstance(value, timedelta) else value
