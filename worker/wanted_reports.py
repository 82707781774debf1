"""Which reports of an image are wanted, in which language, and for which destinations."""

from collections.abc import Sequence

from service.ledger import DueReport
from service.settings import Destination, Settings
from service.vocabulary.facts import Reason
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import ReportKind


def wanted_reports(settings: Settings, due: DueReport) -> dict[Language, dict[ReportKind, list[str]]]:
    """Return the destinations of each kind of report by language; without any, all kinds are built and kept.

    Of an image in shadow none is wanted.
    """
    if due.in_shadow:
        return {}
    site = settings.report.language
    by_language: dict[Language, list[Destination]] = {}
    for destination in settings.destinations:
        by_language.setdefault(destination.language or site, []).append(destination)
    wanted = {name: _kinds(due, items) for name, items in (by_language or {site: []}).items()}
    return {name: kinds for name, kinds in wanted.items() if kinds}


def _kinds(due: DueReport, destinations: Sequence[Destination]) -> dict[ReportKind, list[str]]:
    if due.prediction is None:
        # Whoever may hold a result that a person disagreed with is told that it is withdrawn.
        withdrawn = due.reason == Reason.PERSON_DISAGREED
        told = [item.name for item in destinations if withdrawn or _is_told(item, due.is_chest)]
        wanted = {kind: told for kind in ReportKind if not kind.needs_result}
    else:
        wanted = {kind: [item.name for item in destinations if kind in item.reports] for kind in ReportKind}
    return {kind: names for kind, names in wanted.items() if names or not destinations}


def _is_told(destination: Destination, is_chest: bool) -> bool:
    return destination.not_analysed == "all" or (destination.not_analysed == "chest_only" and is_chest)
