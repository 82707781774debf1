"""Reports that take the place of earlier ones: said in the first line, named in the header."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage

from service.report import as_sop_class, build
from service.vocabulary.facts import Supersession
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import IMAGE_KINDS, ReportKind
from tests.phantoms import chest
from tests.service.report.samples import EQUIPMENT, content
from tests.service.report.test_report_objects import texts

_DISPLAY = np.zeros((320, 256), dtype=np.float32)
_REASON = Supersession.IDENTITY_CORRECTED


def _build(
    source: Dataset, predecessors: list[Dataset], reason: Supersession | None = None
) -> dict[ReportKind, Dataset]:
    what = content(Outcome.POSITIVE, superseding_reason=reason)
    objects = build(source, _DISPLAY, what, kinds=IMAGE_KINDS, equipment=EQUIPMENT, predecessors=predecessors)
    return {each.kind: each.dataset for each in objects}


@pytest.fixture(scope="module")
def earlier() -> dict[ReportKind, Dataset]:
    return _build(chest(), [])


def test_the_first_line_says_what_is_superseded_and_why(earlier: dict[ReportKind, Dataset]) -> None:
    later = _build(chest(patient_id="CORRECTED"), list(earlier.values()), _REASON)
    expected = ["Supersedes the AI report of 2026-11-22 16:50.", "Reason: patient or study identity was corrected."]
    document = later[ReportKind.TEXT_SR]
    [summary] = [item for item in document.ContentSequence if _title(item) == "Summary"]
    assert [item.TextValue for item in summary.ContentSequence[:2]] == expected
    assert later[ReportKind.SECONDARY_CAPTURE].DerivationDescription.startswith(". ".join(expected).replace("..", "."))


def _title(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeMeaning)


def test_each_document_names_the_predecessor_of_its_own_kind(earlier: dict[ReportKind, Dataset]) -> None:
    later = _build(chest(patient_id="CORRECTED"), list(earlier.values()), _REASON)
    for kind in (ReportKind.TEXT_SR, ReportKind.MEASUREMENT_SR):
        [study] = later[kind].PredecessorDocumentsSequence
        [series] = study.ReferencedSeriesSequence
        [reference] = series.ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == earlier[kind].SOPInstanceUID
        assert reference.ReferencedSOPClassUID == earlier[kind].SOPClassUID
        assert series.SeriesInstanceUID == earlier[kind].SeriesInstanceUID


def test_a_predecessor_changes_the_uid_of_its_kind_alone(earlier: dict[ReportKind, Dataset]) -> None:
    with_text = _build(chest(), [earlier[ReportKind.TEXT_SR]], _REASON)
    without = _build(chest(), [], _REASON)
    changed = {kind for kind in IMAGE_KINDS if with_text[kind].SOPInstanceUID != without[kind].SOPInstanceUID}
    assert changed == {ReportKind.TEXT_SR}


def test_a_predecessor_in_another_study_is_told_of_but_not_referenced(earlier: dict[ReportKind, Dataset]) -> None:
    later = _build(chest(study_instance_uid="1.2.3.4"), list(earlier.values()), _REASON)
    for kind in (ReportKind.TEXT_SR, ReportKind.MEASUREMENT_SR):
        assert "PredecessorDocumentsSequence" not in later[kind]
    assert any(text.startswith("Supersedes the AI report of") for text in texts(later[ReportKind.TEXT_SR]))


def test_without_the_earlier_report_at_hand_the_line_still_says_that_there_was_one() -> None:
    later = _build(chest(), [], Supersession.ANALYSED_AGAIN)
    said = texts(later[ReportKind.TEXT_SR])
    assert said[:2] == ["Supersedes an earlier AI report.", "Reason: the image was analysed again."]


def test_a_variant_names_the_same_variant_of_the_predecessor(earlier: dict[ReportKind, Dataset]) -> None:
    kind = ReportKind.MEASUREMENT_SR
    later = _build(chest(patient_id="CORRECTED"), list(earlier.values()), _REASON)
    variant = as_sop_class(kind, later[kind], ComprehensiveSRStorage).dataset
    predecessor = as_sop_class(kind, earlier[kind], ComprehensiveSRStorage)
    series = variant.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == predecessor.series_instance_uid
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == predecessor.sop_instance_uid
    assert series.ReferencedSOPSequence[0].ReferencedSOPClassUID == ComprehensiveSRStorage


def test_a_first_report_supersedes_nothing(earlier: dict[ReportKind, Dataset]) -> None:
    assert not any("Supersedes" in text for text in texts(earlier[ReportKind.TEXT_SR]))
    assert "PredecessorDocumentsSequence" not in earlier[ReportKind.TEXT_SR]
