"""What each outcome says, word for word."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from service.report import ReportContent, codes
from service.report.content import by_finding, percent
from service.report.evidence import prepare
from service.report.overlay import burnt_in_line
from service.report.sentences import (
    Line,
    conclusion_lines,
    finding_lines,
    image_words,
    operating_point_line,
    result_sentence,
    summary_lines,
)
from service.report.study_content import StudyContent, StudyImage
from service.report.study_sentences import image_lines, study_conclusions, study_summary
from service.vocabulary.facts import Failure, PrioritySource, Reason, Supersession
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.language import Language
from service.vocabulary.states import Priority
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.service.report.samples import ANALYSED, content, prediction

SOURCE = prepare(chest())


def _said(lines: Sequence[Line]) -> list[str]:
    return [f"{line.name.meaning}: {line.text}" for line in lines]


def test_a_positive_says_result_priority_and_what_it_is_first() -> None:
    assert _said(summary_lines(content(Outcome.POSITIVE), SOURCE)) == [
        "AI result: PNEUMONIA SUSPECTED, probability 96.0 %",
        "Suggested reading priority: URGENT, by the AI result of this image",
        "Status of this report: Preliminary AI output, not a radiologist report; verify.",
        "Image: PA view, image 1 of series 1",
    ]


def test_a_positive_gives_each_class_a_line_and_its_type() -> None:
    assert _said(finding_lines(content(Outcome.POSITIVE), SOURCE)) == [
        "AI class probability: bacterial pneumonia 83.0 %",
        "AI class probability: viral pneumonia 13.0 %",
        "AI class probability: no pneumonia pattern 4.0 %",
        "AI type of pneumonia: bacterial pneumonia pattern",
        "Note: patient age unknown",
    ]


@pytest.mark.parametrize(
    ("margin", "words"),
    [
        (0.2, "undetermined; no type leads by 20 % of the probability of pneumonia"),
        (None, "undetermined; no type leads by enough to be named"),
    ],
)
def test_a_positive_without_a_clear_type_says_undetermined_and_by_which_margin(
    margin: float | None, words: str
) -> None:
    undetermined = prediction(Outcome.POSITIVE, pneumonia_type=None)
    lines = finding_lines(content(Outcome.POSITIVE, prediction=undetermined, type_margin=margin), SOURCE)
    assert f"AI type of pneumonia: {words}" in _said(lines)


@pytest.mark.proves(Invariant.SILENCE_IS_NOT_NORMAL)
def test_a_negative_says_what_was_not_assessed_and_never_normal() -> None:
    what = content(Outcome.NEGATIVE)
    lines = _said([*summary_lines(what, SOURCE), *finding_lines(what, SOURCE), *conclusion_lines(what)])
    assert lines[0] == "AI result: No pneumonia pattern found by AI; other abnormalities NOT assessed"
    assert "normal" not in " ".join(lines).lower().replace("abnormalities", "")


def test_an_indeterminate_has_its_probability_and_both_sides_of_the_band() -> None:
    what = content(Outcome.INDETERMINATE)
    assert result_sentence(what) == "INDETERMINATE, probability of pneumonia 42.0 %"
    assert _said([operating_point_line(prediction(Outcome.INDETERMINATE), Language.ENGLISH)]) == [
        "Operating point: balanced: suspected from 60 %, no pneumonia pattern below 30 %"
    ]


def test_an_image_that_was_not_analysed_has_a_reason_and_no_probability() -> None:
    what = content(Outcome.NOT_ANALYSED)
    lines = _said([*summary_lines(what, SOURCE), *finding_lines(what, SOURCE), *conclusion_lines(what)])
    assert lines[0] == "AI result: NOT ANALYSED: lateral view"
    assert "%" not in " ".join(lines)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"other_images": (Outcome.NEGATIVE, Outcome.POSITIVE)}, "by the AI result of another image of this study"),
        ({"other_images": (Outcome.NEGATIVE,)}, "by another or an earlier AI result in this study"),
        ({"priority_source": PrioritySource.C_STORE}, "by: C-STORE priority"),
    ],
)
def test_an_image_without_result_says_where_the_priority_of_its_study_comes_from(
    changes: dict[str, Any], words: str
) -> None:
    urgent: dict[str, Any] = {"priority": Priority.URGENT, "priority_source": PrioritySource.PREDICTION}
    lines = summary_lines(content(Outcome.NOT_ANALYSED, **(urgent | changes)), SOURCE)
    assert f"Suggested reading priority: URGENT, {words}" in _said(lines)


def test_a_report_names_the_results_of_the_other_images_the_gravest_first() -> None:
    """A viewer may show the last report of a series alone."""
    others = (Outcome.NOT_ANALYSED, Outcome.NEGATIVE, Outcome.POSITIVE, Outcome.NEGATIVE)
    lines = _said(summary_lines(content(Outcome.NEGATIVE, other_images=others), SOURCE))
    assert lines[-3:] == [
        "Other images of this study: 1 PNEUMONIA SUSPECTED",
        "Other images of this study: 2 no pneumonia pattern",
        "Other images of this study: 1 not analysed",
    ]


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"view_position": "AP", "ImageLaterality": "L"}, "AP view, left, image 1 of series 1"),
        ({"view_position": "", "PatientOrientation": ["A", "F"], "InstanceNumber": None}, "lateral view"),
        ({"view_position": "", "SeriesNumber": None, "PatientOrientation": None}, "image 1"),
    ],
)
def test_an_image_is_named_by_view_side_and_number(attributes: dict[str, Any], name: str) -> None:
    assert image_words(prepare(chest(**attributes)), Language.ENGLISH) == name


def test_an_image_that_says_nothing_of_itself_is_named_by_its_uid() -> None:
    nameless = prepare(from_uids("1.2.3"))
    assert image_words(nameless, Language.ENGLISH) == "1.2.3"


def test_a_positive_that_comes_after_the_reading_says_why_its_priority_is_routine() -> None:
    """Without that word a positive would read as one that needs no hurry."""
    late: dict[str, Any] = {"priority": Priority.ROUTINE, "after_reading": True}
    lines = _said(summary_lines(content(Outcome.POSITIVE, **late), SOURCE))
    assert "Suggested reading priority: ROUTINE, not raised: the study was marked as read before" in lines
    others = _said(summary_lines(content(Outcome.NEGATIVE, **late), SOURCE))
    assert "Suggested reading priority: ROUTINE, no change; an AI result never lowers a priority" in others


def from_uids(sop_instance_uid: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPInstanceUID = sop_instance_uid
    return dataset


def _every_content() -> Iterator[ReportContent]:
    others = tuple(Outcome) * 3
    for outcome in Outcome:
        yield content(outcome, other_images=others, superseding_reason=None)
        yield content(outcome, priority=Priority.ROUTINE, after_reading=True)
    for source in PrioritySource:
        yield content(Outcome.NEGATIVE, priority=Priority.URGENT, priority_source=source, other_images=others)
    for reason in (*Reason, Failure.ANALYSIS_FAILED):
        yield content(Outcome.NOT_ANALYSED, reason=reason)
    for supersession in Supersession:
        yield content(Outcome.INDETERMINATE, superseding_reason=supersession)


def _of_study(contents: Sequence[ReportContent], language: Language, earlier: Dataset, **changes: Any) -> list[Line]:
    images = ((chest(), None), *((chest(), what) for what in contents))
    facts: dict[str, Any] = {"priority": Priority.URGENT, "after_reading": True, "unnamed": 999, **changes}
    study = StudyContent(images, language=language, **facts)
    looked_at = [StudyImage(SOURCE, what) for _, what in images]
    lines = study_summary(study, looked_at, [earlier])
    return [*lines, *(line for image in looked_at for line in image_lines(image, study))]


@pytest.mark.parametrize("language", Language)
def test_no_line_of_the_summary_is_longer_than_a_viewer_shows(language: Language) -> None:
    earlier = Dataset()
    earlier.ContentDate, earlier.ContentTime = "20240315", "093102"
    contents = [replace(what, language=language) for what in _every_content()]
    lines = [line for what in contents for line in summary_lines(what, SOURCE, [earlier])]
    lines += [operating_point_line(prediction(Outcome.POSITIVE), language)]
    for supersession in (None, *Supersession):
        for source in (None, *PrioritySource):
            lines += _of_study(contents, language, earlier, superseding_reason=supersession, priority_source=source)
    assert [line.text for line in lines if len(line.text) > 80] == []


def test_the_lines_of_a_report_have_names_of_their_own() -> None:
    """A viewer prints the name before the line; five lines called alike tell nothing."""
    what = content(Outcome.POSITIVE, other_images=(Outcome.NEGATIVE,))
    lines = [*summary_lines(what, SOURCE), *finding_lines(what, SOURCE), *conclusion_lines(what)]
    names = [line.name.meaning for line in lines if line.name != codes.CLASS_PROBABILITY]
    assert len(names) == len(set(names))


def test_conclusions_give_prevalence_model_population_limits_and_disclaimer() -> None:
    assert _said(conclusion_lines(content(Outcome.POSITIVE))) == [
        "Assumed prevalence: every probability assumes that 20 % of the images show pneumonia",
        "AI model: cxr-resnet50 1.0",
        "Validated on: children of 1 to 5 years",
        "Limits: frontal views alone; effusion, pneumothorax and tumours are not assessed.",
        "Disclaimer: Not a medical device; research use. Not for diagnosis.",
    ]


def test_the_report_of_a_study_says_once_what_holds_of_several_images() -> None:
    images = [StudyImage(SOURCE, content(outcome)) for outcome in (Outcome.POSITIVE, Outcome.NEGATIVE)]
    assert study_conclusions([*images, StudyImage(SOURCE, None)]) == conclusion_lines(content(Outcome.POSITIVE))


@pytest.mark.proves(Invariant.SILENCE_IS_NOT_NORMAL)
def test_that_no_pattern_was_found_in_some_images_stands_behind_what_is_missing() -> None:
    images = ((chest(1), content(Outcome.NEGATIVE)), (chest(2), None), (chest(3), content(Outcome.NOT_ANALYSED)))
    study = StudyContent(images, priority=Priority.ROUTINE, priority_source=None, unnamed=1)
    lines = _said(study_summary(study, [StudyImage(prepare(source), what) for source, what in images], []))
    assert lines == [
        "AI result: NOT ANALYSED: 1 of 4 images",
        "AI result: NO RESULT when this was written: 1 of 4 images",
        "AI result: NO RESULT, and not named here: 1 of 4 objects",
        "AI result: No pneumonia pattern in 1 of 4 images; other abnormalities NOT assessed",
        "Suggested reading priority: ROUTINE, no change; an AI result never lowers a priority",
        "Status of this report: Preliminary AI output, not a radiologist report; verify.",
    ]


def test_a_routine_priority_does_not_read_as_a_lowered_one() -> None:
    lines = _said(summary_lines(content(Outcome.NEGATIVE, priority=Priority.ROUTINE), SOURCE))
    assert "never lowers a priority" in lines[1]


@pytest.mark.parametrize("outcome", ANALYSED)
def test_the_picture_names_result_image_model_and_not_for_diagnosis(outcome: Outcome) -> None:
    line = burnt_in_line(content(outcome), "PA view, image 1", "1.0.0")
    assert "NOT FOR DIAGNOSIS" in line
    assert "PA view, image 1" in line
    assert "auscult 1.0.0, cxr-resnet50 1.0" in line
    assert ("(prevalence 20 %)" in line) == (outcome is not Outcome.NEGATIVE)


@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_a_probability_is_never_rounded_across_a_limit_nor_to_certainty(probability: float, limit: float) -> None:
    limit = round(limit, 4)
    text = percent(probability, [limit])
    if 0 < probability < 1:
        assert text not in ("0.0 %", "100.0 %")
    # Nearer to the limit than a digit in the sixth place, no text can tell the side.
    if not text.startswith(("<", ">")) and abs(probability - limit) > 1e-7:
        assert (float(text.removesuffix(" %")) >= round(100 * limit, 9)) == (probability >= limit)


def test_a_probability_just_below_the_limit_is_not_shown_as_the_limit() -> None:
    assert percent(0.5999, [0.6]) == "59.99 %"
    assert percent(0.5999) == "60.0 %"


def test_classes_of_equal_meaning_are_added() -> None:
    merged = prediction(
        Outcome.POSITIVE,
        probabilities={"a": 0.5, "b": 0.4, "n": 0.1},
        p_pneumonia=0.9,
        findings={"a": Finding.VIRAL_PNEUMONIA, "b": Finding.VIRAL_PNEUMONIA, "n": Finding.NORMAL},
    )
    lines = finding_lines(content(Outcome.POSITIVE, prediction=merged), SOURCE)
    assert _said(lines)[0] == "AI class probability: viral pneumonia 90.0 %"


def test_contradicting_parts_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a prediction"):
        content(Outcome.POSITIVE, prediction=None)
    with pytest.raises(ValueError, match="needs a reason"):
        content(Outcome.NOT_ANALYSED, reason=None)
    with pytest.raises(ValueError, match="another outcome"):
        replace(content(Outcome.POSITIVE), outcome=Outcome.NEGATIVE)
    with pytest.raises(ValueError, match="time zone"):
        content(Outcome.NEGATIVE, content_time=datetime(2026, 1, 1))


def test_every_probability_of_a_report_assumes_the_prevalence_that_it_names() -> None:
    # 96 % where 70 % of the images are positive is 35 % where 5 % are.
    shifted = prediction(
        Outcome.INDETERMINATE,
        probabilities={"normal": 0.04, "bacteria": 0.72, "virus": 0.24},
        p_pneumonia=0.35,
        prevalence=0.05,
    )
    shares = by_finding(shifted)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares[Finding.NORMAL] == pytest.approx(0.65)
    assert shares[Finding.BACTERIAL_PNEUMONIA] == pytest.approx(3 * shares[Finding.VIRAL_PNEUMONIA])
    assert _said(finding_lines(content(Outcome.INDETERMINATE, prediction=shifted), SOURCE))[:3] == [
        "AI class probability: no pneumonia pattern 65.0 %",
        "AI class probability: bacterial pneumonia 26.2 %",
        "AI class probability: viral pneumonia 8.8 %",
    ]


def test_a_result_after_the_reading_says_so_before_anything_else() -> None:
    late, in_time = (
        _said(summary_lines(content(Outcome.POSITIVE, after_reading=after), SOURCE)) for after in (True, False)
    )
    assert late[0] == "Note: made after the study was marked as read"
    assert late[1:] == in_time


def test_a_withdrawn_result_says_so_and_never_that_nothing_was_analysed_or_found() -> None:
    withdrawn = replace(content(Outcome.NOT_ANALYSED), reason=Reason.PERSON_DISAGREED)
    assert result_sentence(withdrawn) == "AI RESULT WITHDRAWN: a person disagreed"
    assert not any("NOT ANALYSED" in line.text for line in summary_lines(withdrawn, SOURCE))
