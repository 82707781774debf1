"""Wildcards of a query for work items: what they match, and what they may cost."""

from fnmatch import fnmatchcase
from time import process_time

from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset

from service.dicom.work_items.matching import matches


def _matches(wanted: str, value: str) -> bool:
    keys, item = Dataset(), Dataset()
    keys.WorklistLabel, item.WorklistLabel = wanted, value
    return matches(keys, item)


@given(st.text("ab*?.", min_size=1, max_size=8), st.text("ab.\n", min_size=1, max_size=10))
def test_wildcards_match_as_pythons_own_do(wanted: str, value: str) -> None:
    assert _matches(wanted, value) is fnmatchcase(value, wanted)


def test_many_asterisks_cost_a_listener_nothing() -> None:
    began = process_time()
    assert not _matches("*" * 10 + "%", "Chest radiographs reading aaaa")
    assert not _matches("*a" * 10 + "%", "a" * 30)
    assert process_time() - began < 0.5
