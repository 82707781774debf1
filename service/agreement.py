"""How far people agree with the AI: counts and intervals, over time and by where the images come from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from service.ledger import CountedFeedback
from service.texts import Texts
from service.vocabulary.acquisition import Machine
from service.vocabulary.facts import Grouping, Opinion
from service.vocabulary.findings import Outcome

#: Of the standard normal distribution, two-sided 95 %.
_Z = 1.959963984540054


@dataclass(frozen=True)
class Agreement:
    """What was said of a group of results.

    Attributes
    ----------
    group
        A month as "2026-11", an AE title, a machine, or the value of an outcome; empty for all together.
    share, lower, upper
        Share of agreement among those who agreed or disagreed, with its interval of 95 %, in [0, 1]; None where nobody
        did either.
    """

    group: str
    agree: int
    disagree: int
    not_assessable: int
    share: float | None
    lower: float | None
    upper: float | None


def _names(machine: Machine) -> tuple[str, str, str]:
    return machine.manufacturer, machine.model_name, machine.station_name


_GROUP_OF: Mapping[Grouping, Callable[[CountedFeedback], str]] = {
    Grouping.OVERALL: lambda _: "",
    # In this machine's time zone.
    Grouping.MONTH: lambda item: f"{item.at.astimezone():%Y-%m}",
    Grouping.OUTCOME: lambda item: item.outcome.value,
    Grouping.AE_TITLE: lambda item: item.calling_ae_title,
    Grouping.MACHINE: lambda item: ", ".join(filter(None, _names(item.machine))),
}


def agreement(feedback: Sequence[CountedFeedback], grouping: Grouping) -> list[Agreement]:
    """Return the agreement of each group, in the order of their names."""
    groups: dict[str, list[Opinion]] = {}
    for item in feedback:
        groups.setdefault(_GROUP_OF[grouping](item), []).append(item.opinion)
    return [_of(name, groups[name]) for name in sorted(groups)]


def group_words(say: Texts, grouping: Grouping, group: str) -> str:
    """Return what a group is called."""
    if grouping is Grouping.OVERALL:
        return say("agreement.all")
    if grouping is Grouping.OUTCOME:
        return say.of_stored(Outcome, group)
    return group or say("agreement.no_name")


def share_words(row: Agreement) -> tuple[str, str]:
    """Return a group's share of agreement and its interval; of one that nobody decided on, neither."""
    if row.share is None or row.lower is None or row.upper is None:
        return "", ""
    return f"{100 * row.share:.1f} %", f"{100 * row.lower:.1f} - {100 * row.upper:.1f} %"


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the interval of 95 % of a proportion; it holds for small numbers and near 0 and 1 too.

    References
    ----------
    Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927
    """
    share, square = successes / trials, _Z * _Z
    centre = share + square / (2 * trials)
    spread = _Z * sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    scale = 1 + square / trials
    # At 0 and at 1 the limit is exact; floating point would miss it by a hair.
    lower = 0.0 if successes == 0 else (centre - spread) / scale
    upper = 1.0 if successes == trials else (centre + spread) / scale
    return lower, upper


def _of(group: str, opinions: Sequence[Opinion]) -> Agreement:
    agree, disagree = opinions.count(Opinion.AGREE), opinions.count(Opinion.DISAGREE)
    decided = agree + disagree
    lower, upper = wilson(agree, decided) if decided else (None, None)
    share = agree / decided if decided else None
    return Agreement(group, agree, disagree, opinions.count(Opinion.NOT_ASSESSABLE), share, lower, upper)
