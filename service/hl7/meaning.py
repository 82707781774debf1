"""What a message says of orders: whose, of which study, and what became of them.

References
----------
HL7 Version 2.5.1, chapters 3 (PID, PV1), 4 (ORC, OBR, TQ1, IPC; tables 0119 and 0038) and 7 (OBX; tables 0085 and
0123); IHE RAD TF-2, section 4.4 (ZDS)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from service.hl7.message import FieldPlace, Hl7Message, Segment
from service.settings import Hl7ListenerSettings, OrdersSettings
from service.vocabulary.orders import HeardOrder, OrderedPatient, OrderEvent, accession_of

#: What is read of every message.
HEADER = (
    FieldPlace("MSH", 3, 1, "sending application: whether it is heard, and is not us"),
    FieldPlace("MSH", 4, 1, "sending facility: whether it is heard"),
    FieldPlace("MSH", 9, 1, "message type and trigger event (component 2)"),
    FieldPlace("MSH", 10, 1, "control ID, by which a repetition is known"),
    FieldPlace("MSH", 11, 1, "processing ID: whether it is heard"),
    FieldPlace("MSH", 12, 1, "version, which the acknowledgement has too"),
    FieldPlace("MSH", 15, 1, "whether an accept acknowledgement is wanted"),
    FieldPlace("MSH", 18, 1, "character set; UTF-8 or Latin-1 where none is said"),
)
PATIENT_ID = FieldPlace("PID", 3, 1, "Patient ID, each with its issuer (component 4)")
PATIENT_NAME = FieldPlace("PID", 5, 1, "name, each way of writing it")
BIRTH_DATE = FieldPlace("PID", 7, 1, "birth date")
PATIENT_CLASS = FieldPlace("PV1", 2, 1, "patient class")
ORDER_CONTROL = FieldPlace("ORC", 1, 1, "order control code")
ORDER_STATUS = FieldPlace("ORC", 5, 1, "order status")
RESULT_STATUS = FieldPlace("OBR", 25, 1, "status of the result")
OBSERVATION_STATUS = FieldPlace("OBX", 11, 1, "status of an observation")
OBSERVATION = FieldPlace("OBX", 3, 1, "code of the Study Instance UID, and whether it is ours")
OBSERVED = FieldPlace("OBX", 5, 1, "Study Instance UID")
#: The first that says something.
PRIORITIES = (
    FieldPlace("TQ1", 9, 1, "priority"),
    FieldPlace("ORC", 7, 6, "priority"),
    FieldPlace("OBR", 27, 6, "priority"),
    FieldPlace("OBR", 5, 1, "priority"),
)
INDICATIONS = (
    FieldPlace("OBR", 31, 2, "indication, in words"),
    FieldPlace("OBR", 31, 1, "indication"),
    FieldPlace("OBR", 13, 1, "clinical information"),
)
#: What is read of a message besides MSH and the fields of the settings.
PLACES = (
    *(PATIENT_ID, PATIENT_NAME, BIRTH_DATE, PATIENT_CLASS, ORDER_CONTROL, ORDER_STATUS),
    *(*PRIORITIES, *INDICATIONS, RESULT_STATUS, OBSERVATION, OBSERVED, OBSERVATION_STATUS),
)
RESULTS = frozenset({("ORU", "R01")})
ORDERS = frozenset({("ORM", "O01"), ("OMI", "O23"), ("OMG", "O19")})

#: Codes of a Study Instance UID (PS3.16): the one of IHE and of our own messages, and the attribute's.
_STUDY_CODES = frozenset({"113014", "110180"})
_LONGEST_INDICATION = 500
#: Statuses of an observation that take nothing from a final result: corrected, withdrawn, or not to be had.
_ALSO_FINAL = frozenset({"D", "N", "O", "U", "W", "X"})


@dataclass
class _Group:
    """The segments of one order, and whose it is."""

    patient: Segment | None
    visit: Segment | None
    segments: list[Segment] = field(default_factory=list)

    def named(self, name: str) -> list[Segment]:
        return [segment for segment in self.segments if segment.name == name]

    def value(self, place: FieldPlace) -> str:
        found = (segment.value(place.field, place.component) for segment in self.named(place.segment))
        return next(filter(None, found), "")

    def first(self, places: Sequence[FieldPlace]) -> str:
        return next(filter(None, map(self.value, places)), "")


def orders_in(message: Hl7Message, listener: Hl7ListenerSettings, rules: OrdersSettings) -> tuple[HeardOrder, ...]:
    """Return what a message says of orders; nothing where it says nothing that is used.

    What names neither a Study Instance UID nor an accession number is left out, for no study can be found by it.
    """
    found: list[HeardOrder] = []
    unread: set[tuple[str, str]] = set()
    only_uid = _only_uid(message)
    for group in _groups(message):
        event = _result(group, listener) if message.kind in RESULTS else _order(group, listener)
        for uid, accession in _studies(group, only_uid, listener):
            if event is not None:
                found.append(_heard(event, group, uid, accession, rules))
            elif message.kind in RESULTS:
                unread.add((uid, accession))
    # Of a study whose result is final in part, somebody is still to read the rest.
    return tuple(dict.fromkeys(one for one in found if (one.study_instance_uid, one.accession_number) not in unread))


def place_of(name: str) -> FieldPlace:
    """Return the place that a field of the settings names, such as ``OBR-18`` or ``ORC-2.1``."""
    segment, _, rest = name.partition("-")
    number, _, component = rest.partition(".")
    return FieldPlace(segment, int(number), int(component or 1))


def _groups(message: Hl7Message) -> list[_Group]:
    """Return the segments of each order; ORC begins one, or OBR where none has begun."""
    groups: list[_Group] = []
    patient = visit = None
    is_open = False
    for segment in message.segments[1:]:
        if segment.name == "PID":
            patient, visit, is_open = segment, None, False
        elif segment.name == "PV1":
            visit, is_open = segment, False
        elif segment.name == "ORC" or (segment.name == "OBR" and not (is_open and not groups[-1].named("OBR"))):
            groups.append(_Group(patient, visit, [segment]))
            is_open = True
        elif is_open:
            groups[-1].segments.append(segment)
    return groups


def _result(group: _Group, listener: Hl7ListenerSettings) -> OrderEvent | None:
    """Return whether a result is final: as a whole, or each of its observations, and none of them is preliminary."""
    final = frozenset(listener.final_statuses)
    whole = group.value(RESULT_STATUS)
    single = {one.value(OBSERVATION_STATUS.field) for one in group.named("OBX")} - {""}
    is_final = whole in final if whole else bool(single & final)
    return OrderEvent.READ if is_final and single <= final | _ALSO_FINAL else None


def _order(group: _Group, listener: Hl7ListenerSettings) -> OrderEvent | None:
    control, status = group.value(ORDER_CONTROL), group.value(ORDER_STATUS)
    said = {control, f"{control}/{status}"}
    for event, codes in (
        (OrderEvent.READ, listener.read_on),
        (OrderEvent.CANCELLED, listener.cancelled_on),
        (OrderEvent.ORDERED, listener.ordered_on),
    ):
        if said & set(codes):
            return event
    return None


def _studies(group: _Group, only_uid: str, listener: Hl7ListenerSettings) -> Iterator[tuple[str, str]]:
    """Yield the Study Instance UID and the accession number of each study that a group names; one of both at least."""
    accessions, uids = (map(place_of, names) for names in (listener.accession_fields, listener.study_uid_fields))
    accession, uid = group.first(list(accessions)), group.first(list(uids))
    observed = (one.value(5) for one in group.named("OBX") if one.value(3) in _STUDY_CODES)
    uid = uid or next(filter(None, observed), "") or only_uid
    steps = group.named("IPC")
    for step in steps if len(steps) > 1 else [None]:
        # Each step of an order for images may be of a study of its own.
        yield from _named((step.value(3) if step else "") or uid, (step.value(1) if step else "") or accession)


def _named(uid: str, accession: str) -> Iterator[tuple[str, str]]:
    number = accession_of(accession)
    # What is longer than DICOM allows is not cut: it would name another study.
    if (uid or number) and len(uid) <= 64 and len(accession) <= 64:
        yield uid, number


def _only_uid(message: Hl7Message) -> str:
    """Return the UID of a message that names one for all of its orders (ZDS, once)."""
    found = {segment.value(1) for segment in message.segments if segment.name == "ZDS"}
    return found.pop() if len(found) == 1 else ""


def _heard(event: OrderEvent, group: _Group, uid: str, accession: str, rules: OrdersSettings) -> HeardOrder:
    priority = rules.priority_of(group.first(PRIORITIES)) if event is OrderEvent.ORDERED else None
    return HeardOrder(
        event=event,
        patient=_patient(group.patient),
        study_instance_uid=uid,
        accession_number=accession,
        priority=priority,
        indication=group.first(INDICATIONS)[:_LONGEST_INDICATION],
        patient_class=group.visit.value(PATIENT_CLASS.field)[:16] if group.visit else "",
    )


def _patient(segment: Segment | None) -> OrderedPatient:
    if segment is None:
        return OrderedPatient()
    issuers = segment.subcomponents(PATIENT_ID.field, 4)
    ids = [
        (one[0], tuple(dict.fromkeys(name for name in issuer[:2] if name)))
        for one, issuer in zip(segment.repetitions(PATIENT_ID.field), issuers, strict=True)
        if one[0]
    ]
    names = ["^".join(one[:3]).rstrip("^") for one in segment.repetitions(PATIENT_NAME.field)]
    born = segment.value(BIRTH_DATE.field)[:8]
    return OrderedPatient(tuple(ids), tuple(filter(None, names)), born if len(born) == 8 and born.isdecimal() else "")
