"""Which reports of an image are wanted, in which language, and for which destinations."""

from collections.abc import Sequence

from service.ledger import DueReport, StudyFacts
from service.settings import Destination, Settings
from service.vocabulary.facts import Reason
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import IMAGE_KINDS, STUDY_KINDS, ReportKind


def wants_study(settings: Settings, due: DueReport) -> bool:
    """Return whether a destination may want a document about an image's whole study.

    None does of an object that is no chest radiograph, but where it is told of all: a study may have hundreds.
    """
    return not due.in_shadow and any(
        item.text_report in STUDY_KINDS and (due.is_chest or item.not_analysed == "all")
        for item in settings.destinations
    )


def wanted_reports(
    settings: Settings, due: DueReport, study: StudyFacts | None = None
) -> dict[Language, dict[ReportKind, list[str]]]:
    """Return the destinations of each kind of report by language; without any, all kinds are built and kept.

    Of an image in shadow none is wanted. Of one that is reported, whose study another image has left, that of the
    study alone is.

    Parameters
    ----------
    study
        What is known of the image's study, where `wants_study`. Where its images contradict each other as to whose they
        are, each has its own text report instead of one about all of them.
    """
    if due.in_shadow:
        return {}
    site = settings.report.language
    by_language: dict[Language, list[Destination]] = {}
    for destination in settings.destinations:
        by_language.setdefault(destination.language or site, []).append(destination)
    wanted = {
        name: {kind: names for kind, names in _kinds(due, items, study).items() if kind.of_study or not due.is_told}
        for name, items in (by_language or {site: []}).items()
    }
    return {name: kinds for name, kinds in wanted.items() if kinds}


def _kinds(
    due: DueReport, destinations: Sequence[Destination], study: StudyFacts | None
) -> dict[ReportKind, list[str]]:
    if not destinations:
        return {kind: [] for kind in IMAGE_KINDS if due.prediction is not None or not kind.needs_result}
    wanted: dict[ReportKind, list[str]] = {kind: [] for kind in ReportKind}
    for item in destinations:
        for kind in item.reports if due.prediction is not None else _if_told(item, due, study):
            by_image = kind.of_study and not (study is not None and study.one_patient)
            wanted[ReportKind.TEXT_SR if by_image else kind].append(item.name)
    return {kind: names for kind, names in wanted.items() if names}


def _if_told(destination: Destination, due: DueReport, study: StudyFacts | None) -> Sequence[ReportKind]:
    """Return the kind of report in which a destination is told that an image is not analysed, if it is."""
    # Whoever may hold a result that a person disagreed with is told that it is withdrawn.
    is_told = due.reason == Reason.PERSON_DISAGREED or destination.not_analysed == "all"
    if destination.text_report in STUDY_KINDS and not due.is_chest:
        # Such objects are counted: one document tells that they have no result, and further ones revise nothing.
        return [destination.text_report] if is_told and study is not None and study.number == 1 else []
    is_told = is_told or (destination.not_analysed == "chest_only" and due.is_chest)
    # What tells of a study, or is to, says of each of its radiographs that it has no result.
    told_of_study = study is not None and bool(study.has_result or study.predecessors)
    in_study = due.is_chest and told_of_study and destination.text_report in STUDY_KINDS
    return [destination.text_report] if is_told or in_study else []
