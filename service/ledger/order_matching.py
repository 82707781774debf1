"""Whether an order can be of a study: its patient must be the study's, and nothing may speak against it.

Stricter than whether two images are of one patient (`Identity.same_patient`): a person at the RIS has typed one side,
and what is used of an order may take a study off the list.
"""

from collections.abc import Iterable, Sequence

from service.ledger.folding import fold
from service.vocabulary.identity import Identity
from service.vocabulary.orders import OrderedPatient, OrderProblem


def problem_of(patient: OrderedPatient, identities: Sequence[Identity]) -> OrderProblem | None:
    """Return what speaks against an order's being of a study with such images; None where nothing does.

    Parameters
    ----------
    identities
        Of the study's images in force; without any, nothing proves whose it is.
    """
    found = [_problem(patient, identity) for identity in identities] or [OrderProblem.NO_PATIENT_ID]
    # What contradicts weighs more than what is not known.
    found.sort(key=lambda problem: problem is None or problem is OrderProblem.NO_PATIENT_ID)
    return next((problem for problem in found if problem is not None), None)


def _problem(patient: OrderedPatient, identity: Identity) -> OrderProblem | None:
    is_known = bool(patient.ids and identity.patient_id.strip())
    if is_known and not any(_is_one_id(one, issuers, identity) for one, issuers in patient.ids):
        return OrderProblem.PATIENT_ID
    written = [name for name in patient.names if _words(name)]
    named = [group for group in identity.patient_name.split("=") if _words(group)]
    if written and named and not any(_is_one_name(one, other) for one in written for other in named):
        return OrderProblem.NAME
    if patient.birth_date and identity.birth_date and patient.birth_date != _digits(identity.birth_date):
        return OrderProblem.BIRTH_DATE
    return None if is_known else OrderProblem.NO_PATIENT_ID


def _is_one_id(patient_id: str, issuers: Iterable[str], identity: Identity) -> bool:
    ours, theirs = identity.issuer_of_patient_id.strip().casefold(), {issuer.casefold() for issuer in issuers}
    return patient_id == identity.patient_id.strip() and (not ours or not theirs or ours in theirs)


def _is_one_name(one: str, other: str) -> bool:
    """Return whether two names agree, in family and given name or in all their words, whatever stands in which."""
    return _words(_first_two(one)) == _words(_first_two(other)) or _words(one) == _words(other)


def _first_two(name: str) -> str:
    return "^".join(name.split("^")[:2])


def _words(name: str) -> list[str]:
    # Prefix and suffix, the fourth and fifth component, are no part of a name by which people are told apart.
    return sorted(fold("^".join(name.split("^")[:3]).replace("^", " ").replace(",", " ")).split())


def _digits(date: str) -> str:
    return "".join(filter(str.isdecimal, date))
