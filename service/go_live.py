"""The go-live report: what a source's period in shadow has shown, for the person who lets it out."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.agreement import wilson
from service.ledger.shadow import ShadowView
from service.ledger.shadow_figures import ShadowFigures
from service.texts import Texts
from service.vocabulary.facts import Opinion
from service.vocabulary.findings import Outcome
from service.wording import duration, reason_in_words


@dataclass(frozen=True)
class ReportSection:
    """A part of the report: what it is about, and rows of a name and what was found."""

    heading: str
    rows: tuple[tuple[str, str], ...]


def go_live(say: Texts, view: ShadowView, figures: ShadowFigures, now: datetime) -> list[ReportSection]:
    """Return the report of a source that is in shadow."""
    return [
        ReportSection(say("golive.period"), tuple(_period(say, view, figures, now))),
        ReportSection(say("golive.results"), tuple(_results(say, figures))),
        ReportSection(say("golive.abstentions"), tuple(_abstentions(say, figures))),
        ReportSection(say("golive.agreement"), tuple(_agreement(say, figures))),
    ]


def _period(say: Texts, view: ShadowView, figures: ShadowFigures, now: datetime) -> Iterator[tuple[str, str]]:
    yield say("golive.source"), str(view.source)
    yield say("golive.since"), f"{view.entered_at.astimezone():%Y-%m-%d %H:%M}"
    yield say("golive.made"), f"{now.astimezone():%Y-%m-%d %H:%M}"
    yield say("golive.days"), f"{(now - view.entered_at) / timedelta(days=1):.1f}"
    yield say("golive.images"), str(figures.images)
    yield say("golive.studies"), str(figures.studies)
    yield say("golive.checkpoints"), ", ".join(figures.checkpoints) or say("golive.none")


def _results(say: Texts, figures: ShadowFigures) -> Iterator[tuple[str, str]]:
    analysed = sum(figures.outcomes.values())
    for outcome in (Outcome.POSITIVE, Outcome.INDETERMINATE, Outcome.NEGATIVE):
        yield say.of(outcome), share_of(say, figures.outcomes.get(outcome, 0), analysed)
    yield say("golive.alarms"), _alarms(say, figures.outcomes.get(Outcome.POSITIVE, 0), analysed)
    spans = figures.turnarounds
    for code, part in (("golive.median", 0.5), ("golive.slowest", 0.95)):
        yield say(code), duration(say, spans[min(int(part * len(spans)), len(spans) - 1)]) if spans else ""


def _alarms(say: Texts, positive: int, analysed: int) -> str:
    if not analysed:
        return say("golive.none")
    low, high = wilson(positive, analysed)
    return f"{100 * positive / analysed:.1f} ({100 * low:.1f} - {100 * high:.1f})"


def _abstentions(say: Texts, figures: ShadowFigures) -> Iterator[tuple[str, str]]:
    for reason, count in sorted(figures.not_analysed.items(), key=lambda item: -item[1]):
        yield reason_in_words(say, reason), share_of(say, count, figures.images)
    yield say("golive.held"), str(figures.held)
    yield say("golive.waiting"), str(figures.waiting)


def _agreement(say: Texts, figures: ShadowFigures) -> Iterator[tuple[str, str]]:
    agree, disagree = (figures.opinions.get(opinion, 0) for opinion in (Opinion.AGREE, Opinion.DISAGREE))
    yield say("golive.agreed"), share_of(say, agree, agree + disagree)
    yield say.of(Opinion.NOT_ASSESSABLE), str(figures.opinions.get(Opinion.NOT_ASSESSABLE, 0))
    yield say("golive.read"), str(figures.read)
    if not agree + disagree:
        yield say("golive.warning"), say("golive.nobody_said")


def share_of(say: Texts, count: int, total: int) -> str:
    """Return a count with its share and the interval of 95 %, in words."""
    if not total:
        return say("golive.none")
    low, high = (f"{100 * limit:.1f}" for limit in wilson(count, total))
    return say("golive.share", count=count, total=total, share=f"{100 * count / total:.1f}", low=low, high=high)
