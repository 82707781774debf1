"""On which machine, and how, an image was made: read from the header, and never a reason to refuse it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dicom.acquisition import TAGS, acquisition_of
from service.dicom.characters import character_set
from service.vocabulary.acquisition import UNKNOWN, Acquisition, Machine

LATIN = character_set(b"ISO_IR 100")


def test_the_header_names_machine_view_and_voltage() -> None:
    """PS3.3 C.7.5.1, C.8.1.2 and C.8.1.3."""
    values = {
        0x00080070: b"Agfa-Gevaert ",
        0x00081090: b"DX-D 300",
        0x00081010: b"R\xd6NTGEN1\0",
        0x00181000: b"A5041",
        0x00180060: b"117.5 ",
        0x00185101: b"pa",
    }
    machine = Machine("Agfa-Gevaert", "DX-D 300", "RÖNTGEN1", "A5041")
    assert acquisition_of(values, LATIN) == Acquisition(machine, "PA", 117.5)


def test_what_is_absent_is_unknown() -> None:
    assert acquisition_of({}, LATIN) == UNKNOWN


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"90", 90.0),
        (b" 6.5E1 ", 65.0),
        (b"70\\80", 70.0),
        (b"", None),
        (b"0", None),
        (b"-70", None),
        (b"nan", None),
        (b"inf", None),
        (b"117 kV", None),
        (b"1e9", None),
        (b"\xff\xfe", None),
    ],
)
def test_a_voltage_that_cannot_be_one_is_absent(value: bytes, number: float | None) -> None:
    assert acquisition_of({0x00180060: value}, LATIN).kvp == number


@given(st.dictionaries(st.sampled_from(sorted(TAGS)), st.binary(max_size=4096)), st.binary(max_size=40))
def test_whatever_the_values_are_they_fit_their_columns(values: dict[int, bytes], terms: bytes) -> None:
    found = acquisition_of(values, character_set(terms))
    for text in (*vars(found.machine).values(), found.view_position):
        assert text.isprintable()
        assert len(text.encode("utf-8")) >= len(text) <= 64
    assert len(found.view_position) <= 16
    assert found.kvp is None or math.isfinite(found.kvp)
