"""What each outcome says, word for word."""

from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.report.content import by_finding, percent
from service.report.overlay import burnt_in_line
from service.report.sentences import conclusion_lines, finding_lines, result_sentence, series_description
from service.vocabulary.findings import Finding, Outcome
from service.vocabulary.report_kinds import ReportKind
from service.vocabulary.states import Priority
from tests.invariants import Invariant
from tests.service.report.samples import ANALYSED, content, prediction


def test_a_positive_says_suspected_with_its_probability_and_each_class() -> None:
    lines = finding_lines(content(Outcome.POSITIVE))
    assert lines[0] == "AI result (not a radiologist report): PNEUMONIA SUSPECTED, probability 96.0 %"
    assert lines[1:4] == [
        "Probabilities: bacterial pneumonia 83.0 %, viral pneumonia 13.0 %, no pneumonia pattern 4.0 %.",
        "Assumed share of pneumonia: 20 % of the images.",
        "Type: bacterial pneumonia pattern.",
    ]
    assert lines[4] == "Note: patient age unknown"


def test_a_positive_without_a_clear_type_says_undetermined() -> None:
    undetermined = content(Outcome.POSITIVE, prediction=prediction(Outcome.POSITIVE, pneumonia_type=None))
    assert "Type: undetermined." in finding_lines(undetermined)


@pytest.mark.proves(Invariant.SILENCE_IS_NOT_NORMAL)
def test_a_negative_says_what_was_not_assessed_and_never_normal() -> None:
    lines = finding_lines(content(Outcome.NEGATIVE))
    assert lines[0] == (
        "AI result (not a radiologist report): No pneumonia pattern found by AI; other abnormalities NOT assessed"
    )
    assert "normal" not in " ".join(lines).lower().replace("abnormalities", "")


def test_an_indeterminate_names_both_sides_of_the_band() -> None:
    assert result_sentence(content(Outcome.INDETERMINATE)) == (
        "INDETERMINATE: probability of pneumonia 42.0 % lies between 30 % (below it: no pneumonia pattern)"
        " and 60 % (from it on: pneumonia suspected)"
    )


def test_an_image_that_was_not_analysed_has_a_reason_and_no_probability() -> None:
    lines = finding_lines(content(Outcome.NOT_ANALYSED)) + conclusion_lines(content(Outcome.NOT_ANALYSED))
    assert lines[0] == "AI result (not a radiologist report): NOT ANALYSED: lateral view"
    assert "%" not in " ".join(lines)


@pytest.mark.parametrize(
    ("outcome", "description"),
    [
        (Outcome.POSITIVE, "AI: PNEUMONIA SUSPECTED (prelim)"),
        (Outcome.NEGATIVE, "AI: no pneumonia pattern (prelim)"),
        (Outcome.INDETERMINATE, "AI: INDETERMINATE (prelim)"),
        (Outcome.NOT_ANALYSED, "AI: NOT ANALYSED (prelim)"),
    ],
)
def test_the_series_description_tells_the_outcome_in_a_worklist(outcome: Outcome, description: str) -> None:
    assert series_description(content(outcome), ReportKind.TEXT_SR) == description


def test_conclusions_give_priority_population_operating_point_limits_and_disclaimer() -> None:
    assert conclusion_lines(content(Outcome.POSITIVE)) == [
        "Suggested reading priority: URGENT (AI result). Preliminary AI output; verify.",
        "Validated on: children of 1 to 5 years",
        (
            "Model cxr-resnet50 1.0, operating point balanced: pneumonia suspected from 60 %, no pneumonia pattern"
            " below 30 %, indeterminate between them; assumed prevalence 20 %."
        ),
        "Limits: frontal views alone; effusion, pneumothorax and tumours are not assessed.",
        "Not a medical device; research use. Not for diagnosis.",
    ]


def test_a_routine_priority_does_not_read_as_a_lowered_one() -> None:
    assert "never lowers a priority" in conclusion_lines(content(Outcome.NEGATIVE, priority=Priority.ROUTINE))[0]


@pytest.mark.parametrize("outcome", ANALYSED)
def test_the_picture_names_result_model_and_not_for_diagnosis(outcome: Outcome) -> None:
    line = burnt_in_line(content(outcome), "1.0.0")
    assert "NOT FOR DIAGNOSIS" in line
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
    assert "viral pneumonia 90.0 %, no" in finding_lines(content(Outcome.POSITIVE, prediction=merged))[1]


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
    assert finding_lines(content(Outcome.INDETERMINATE, prediction=shifted))[1:3] == [
        "Probabilities: no pneumonia pattern 65.0 %, bacterial pneumonia 26.2 %, viral pneumonia 8.8 %.",
        "Assumed share of pneumonia: 5 % of the images.",
    ]


def test_a_result_after_the_reading_says_so_before_anything_else() -> None:
    late, in_time = (finding_lines(content(Outcome.POSITIVE, after_reading=after)) for after in (True, False))
    assert late[0] == "Note: made after the study was marked as read."
    assert late[1:] == in_time
