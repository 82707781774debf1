"""Whether instances can be of one patient: each compared with each, at a cost that grows with their number alone."""

from itertools import combinations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from service.vocabulary.identity import Patient, is_one_patient
from tests.invariants import Invariant

_VALUES = st.sampled_from(["", "", "a", "b", "c"])
_PATIENTS: st.SearchStrategy[list[Patient]] = st.lists(st.tuples(_VALUES, _VALUES, _VALUES, _VALUES), max_size=5)


def _contradict(one: Patient, other: Patient) -> bool:
    """Say by hand whether two cannot be the same."""
    patient_id, issuer, name, birth_date = ("" in pair or len({*pair}) == 1 for pair in zip(one, other, strict=True))
    if one[0] and other[0]:
        return not (patient_id and issuer and (name or birth_date))
    return not (name and birth_date)


@pytest.mark.proves(Invariant.TWO_PATIENTS_ARE_HELD)
@given(patients=_PATIENTS, known_as_one=_PATIENTS)
def test_many_are_one_patient_where_no_two_contradict_each_other(
    patients: list[Patient], known_as_one: list[Patient]
) -> None:
    expected = not any(
        _contradict(one, other) and not {one, other} <= {*known_as_one}
        for one, other in combinations({*patients, *known_as_one}, 2)
    )
    assert is_one_patient(patients, known_as_one) == expected


class _Counted(str):
    """A text that counts how often it is compared."""

    __slots__ = ()

    comparisons = 0

    def __eq__(self, other: object) -> bool:
        _Counted.comparisons += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_patient_of_many_spellings_costs_comparisons_in_proportion() -> None:
    spellings = 1000
    patients = [
        (_Counted("1"), _Counted("RIS"), _Counted(f"Ames^Anna^{number}"), _Counted("19700101"))
        for number in range(spellings)
    ]
    assert is_one_patient(patients)
    assert _Counted.comparisons < 20 * spellings, "each with each are 499 500, of two texts each"
