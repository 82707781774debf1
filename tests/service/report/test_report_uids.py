"""UIDs: derived, distinct, recognisable."""

import uuid

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from service.report import StudyContent, build
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.uids import MANUFACTURER, MODEL_NAME, derive_uid, is_own_uid
from tests.phantoms import chest
from tests.service.report.samples import EQUIPMENT, content

_PARTS = st.lists(st.text(max_size=20), max_size=5)


@given(_PARTS)
def test_a_derived_uid_is_valid_and_recognised_as_our_own(parts: list[str]) -> None:
    uid = derive_uid(*parts)
    assert UID(uid).is_valid
    assert is_own_uid(uid)
    assert uid == derive_uid(*parts)


@given(_PARTS, _PARTS)
def test_different_parts_give_different_uids_however_they_are_cut(one: list[str], other: list[str]) -> None:
    assert (derive_uid(*one) == derive_uid(*other)) == (one == other)


def test_moving_a_letter_from_one_part_to_the_next_changes_the_uid() -> None:
    assert len({derive_uid("ab", "c"), derive_uid("a", "bc"), derive_uid("abc"), derive_uid("abc", "")}) == 4


@given(st.uuids())
def test_a_random_uuid_is_not_recognised_as_our_own(random: uuid.UUID) -> None:
    assert not is_own_uid(f"2.25.{random.int}")


@pytest.mark.parametrize("uid", ["", "2.25.", "2.25.0", "1.2.840.10008.1.1", "2.25.1x", "2.25." + "9" * 60])
def test_a_foreign_or_broken_uid_is_not_recognised_as_our_own(uid: str) -> None:
    assert not is_own_uid(uid)


def test_a_flipped_marker_version_or_variant_is_not_our_own() -> None:
    value = int(derive_uid("x").removeprefix("2.25."))
    assert is_own_uid(f"2.25.{value}")
    for bit in (127, 96, 79, 76, 63, 62):
        assert not is_own_uid(f"2.25.{value ^ (1 << bit)}")


@pytest.mark.parametrize("kind", ReportKind)
def test_a_report_is_known_by_its_uid_and_by_the_equipment_that_made_it(kind: ReportKind) -> None:
    display = np.zeros((320, 256), dtype=np.float32)
    what = content(Outcome.POSITIVE)
    study = StudyContent(((chest(), what),), what.priority, what.priority_source)
    [report] = build(chest(), display, what, kinds=[kind], equipment=EQUIPMENT, study=study)
    assert is_own_uid(report.sop_instance_uid)
    assert is_own_uid(report.series_instance_uid)
    # What is left to know it by where a PACS gives it other UIDs.
    assert (report.dataset.Manufacturer, report.dataset.ManufacturerModelName) == (MANUFACTURER, MODEL_NAME)
