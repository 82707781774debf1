"""Agreement: its groups, and an interval that holds what it promises."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest  # type: ignore[import-untyped]

from service.agreement import agreement, share_words, wilson
from service.ledger import CountedFeedback
from service.vocabulary.acquisition import Machine
from service.vocabulary.facts import Grouping, Opinion
from service.vocabulary.findings import Outcome


def said(
    opinion: Opinion, title: str = "CR_1", month: int = 11, outcome: Outcome = Outcome.POSITIVE
) -> CountedFeedback:
    return CountedFeedback(datetime(2026, month, 15, 12, tzinfo=UTC), opinion, outcome, title, Machine("ACME", "DX 1"))


@given(st.integers(1, 400).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_the_interval_is_wilsons_as_scipy_computes_it(counts: tuple[int, int]) -> None:
    successes, trials = counts
    golden = binomtest(successes, trials).proportion_ci(method="wilson")
    lower, upper = wilson(successes, trials)

    assert abs(lower - golden.low) < 1e-12
    assert abs(upper - golden.high) < 1e-12
    assert 0 <= lower <= successes / trials <= upper <= 1


def test_who_could_not_tell_is_counted_and_takes_no_part_in_the_share() -> None:
    (row,) = agreement(
        [said(Opinion.AGREE)] * 3 + [said(Opinion.DISAGREE)] + [said(Opinion.NOT_ASSESSABLE)] * 5, Grouping.OVERALL
    )
    assert (row.agree, row.disagree, row.not_assessable, row.share) == (3, 1, 5, 0.75)
    assert share_words(row) == ("75.0 %", "30.1 - 95.4 %")


def test_a_group_that_nobody_decided_on_has_no_share() -> None:
    (row,) = agreement([said(Opinion.NOT_ASSESSABLE)], Grouping.OVERALL)
    assert (row.share, share_words(row)) == (None, ("", ""))
    assert agreement([], Grouping.OVERALL) == []


def test_groups_are_told_apart_by_month_result_and_ae_title() -> None:
    feedback = [
        said(Opinion.AGREE, "ED", 10),
        said(Opinion.DISAGREE, "CR_1", 11, Outcome.NEGATIVE),
        said(Opinion.AGREE, "CR_1", 11),
    ]
    found = {grouping: [row.group for row in agreement(feedback, grouping)] for grouping in Grouping}
    assert found[Grouping.MONTH] == ["2026-10", "2026-11"]
    assert found[Grouping.OUTCOME] == ["negative", "positive"]
    assert found[Grouping.MACHINE] == ["ACME, DX 1"]
    assert found[Grouping.AE_TITLE] == ["CR_1", "ED"]
