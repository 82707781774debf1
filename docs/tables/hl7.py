"""The tables of HL7 in the conformance statement: what is heard, where it is read, and what is answered."""

from docs.tables import table
from service.hl7.acknowledgement import MessageAnswer
from service.hl7.meaning import HEADER, ORDERS, PLACES, RESULTS
from service.settings import Hl7ListenerSettings
from service.texts import texts_in
from service.vocabulary.language import Language
from service.vocabulary.orders import OrderProblem

_OURS = Hl7ListenerSettings()


def heard() -> str:
    """Return the messages that are heard, and what they say by default."""
    orders = ", ".join(sorted(f"{kind}^{trigger}" for kind, trigger in ORDERS))
    results = ", ".join(sorted(f"{kind}^{trigger}" for kind, trigger in RESULTS))
    final = " or ".join(_OURS.final_statuses)
    rows = [
        (
            results,
            f"OBR-25 is {final}, or empty and OBX-11 is; no OBX-11 is preliminary",
            "a person has read the study",
        ),
        (orders, _codes(_OURS.ordered_on), "an order is placed or changed: its priority raises the study"),
        (orders, _codes(_OURS.cancelled_on), "an order is cancelled: its study leaves the list, not read"),
        (orders, f"by `hl7.read_on`: {_codes(_OURS.read_on)}", "a person has read the study"),
    ]
    return table(("message", "where", "what it says"), rows)


def _codes(codes: tuple[str, ...]) -> str:
    return f"ORC-1 is {', '.join(codes)}" if codes else "nothing by default"


def read_fields() -> str:
    """Return the fields that are read; of several for one thing, the first that says something counts."""
    rows = [(str(place), place.meaning) for place in (*HEADER, *PLACES)]
    rows += [(name, "accession number (`hl7.accession_fields`)") for name in _OURS.accession_fields]
    rows += [(name, "Study Instance UID (`hl7.study_uid_fields`)") for name in _OURS.study_uid_fields]
    return table(("field", "what is read of it"), rows)


def answers() -> str:
    """Return the acknowledgements, by what was made of a message."""
    rows = [
        (
            code,
            f"{number} {name}" if number else "",
            place,
            reason or "the message is kept, was kept, or is passed over",
        )
        for code, number, name, place, reason in (answer.value for answer in MessageAnswer)
    ]
    return table(("MSA-1", "ERR-3", "ERR-2", "why"), rows)


def problems() -> str:
    """Return why what was heard is not used."""
    say = texts_in(Language.ENGLISH)
    return table(("code", "in words"), [(f"`{problem.value}`", say.of(problem)) for problem in OrderProblem])
