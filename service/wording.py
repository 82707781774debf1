"""Values as people and programs read them: names, dates, spans, reasons, JSON."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from enum import Enum, IntEnum
from typing import Any

from service.ledger.order_views import OrderView
from service.texts import Texts, code_of
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import CloseSource, Failure, Hold, MessageEvent, Opinion, Reason, Supersession
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.orders import OrderEvent, OrderProblem
from service.vocabulary.report_kinds import ReportKind

#: Of what a value of the history is a code, by its name.
_CODES: Mapping[str, type[Enum]] = {
    "outcome": Outcome,
    "hold": Hold,
    "supersession": Supersession,
    "source": CloseSource,
    "opinion": Opinion,
    "finding": Finding,
    "report": ReportKind,
    "reports": ReportKind,
    "message": MessageEvent,
    "order": OrderEvent,
    "problem": OrderProblem,
}
_FAILURES = frozenset(failure.value for failure in Failure)


def reason_in_words(say: Texts, reason: str | None) -> str:
    """Return a recorded reason as a phrase."""
    if not reason:
        return say("worklist.no_reason")
    return say.of_stored(Failure if reason in _FAILURES else Reason, reason)


def detail_in_words(say: Texts, facts: Mapping[str, Any] | None) -> str:
    """Return what a line of the history says beyond its kind; what only a later version knows, by its code."""
    if facts is None:
        return ""
    code = str(facts.get("detail", ""))
    try:
        values = {name: _value_in_words(say, name, value) for name, value in facts.items()}
        return say(code_of(EventDetail(code)), **values)
    except (ValueError, KeyError):
        return code.replace("_", " ")


def _value_in_words(say: Texts, name: str, value: Any) -> object:
    if isinstance(value, list):
        return ", ".join(str(_value_in_words(say, name, part)) for part in value)
    if name == "reason":
        return reason_in_words(say, value)
    return say.of_stored(_CODES[name], value) if name in _CODES else value


def order_in_words(say: Texts, order: OrderView) -> str:
    """Return what a message said of an order, and why it is not used where it is not."""
    said = [say.of(order.event)]
    if order.priority is not None:
        said.append(say.of(order.priority))
    if order.patient_class:
        said.append(say("order.patient_class", name=order.patient_class))
    if order.indication:
        said.append(say("order.indication", text=order.indication))
    if order.problem is not None:
        said.append(say("order.not_used", problem=say.of(order.problem)))
    return "; ".join(said)


def person_name(value: str) -> str:
    """Return a person's name for display: "family, given", the ideographic form beside the alphabetic.

    References
    ----------
    PS3.5 section 6.2, value representation PN
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


def duration(say: Texts, span: timedelta) -> str:
    """Return a length of time in its two largest units, such as "2 h 05 min"."""
    minutes, seconds = divmod(max(int(span.total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return say("duration.days", days=days, hours=hours)
    if hours:
        return say("duration.hours", hours=hours, minutes=minutes)
    return say("duration.minutes", minutes=minutes) if minutes else say("duration.seconds", seconds=seconds)


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
