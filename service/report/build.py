"""Build the report set of one image.

References
----------
PS3.3 section C.17.2 (SR Document General: predecessor documents)
"""

import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from service.report import codes
from service.report.built import BuiltObject
from service.report.content import ReportContent
from service.report.draft import Draft, Shared
from service.report.equipment import Equipment
from service.report.evidence import Evidence, prepare
from service.report.header import Header
from service.report.maker import Maker
from service.report.region import Localisation, localise
from service.report.study_content import StudyContent, images_of, of_all_images
from service.report.template import ReportTemplates
from service.thorax import find_lung_field
from service.vocabulary.concepts import Concept
from service.vocabulary.findings import Outcome
from service.vocabulary.report_kinds import ReportKind

#: What each kind is made of: `recipe` in the module of its name.
_RECIPES: Mapping[ReportKind, Callable[[Draft], Any]] = {
    kind: import_module(f"service.report.{kind}").recipe for kind in ReportKind
}
_MAKER = Maker()
_TEMPLATES: Mapping[ReportKind, ReportTemplates] = {
    kind: ReportTemplates(partial(_MAKER.made, kind)) for kind in ReportKind
}


def build(
    source: Dataset,
    display: NDArray[np.float32] | None,
    content: ReportContent,
    *,
    kinds: Collection[ReportKind],
    equipment: Equipment,
    predecessors: Sequence[Dataset] = (),
    study: StudyContent | None = None,
) -> list[BuiltObject]:
    """Build the objects that go back for one image, each in a series of its own within the source study.

    The same arguments give the same bytes under the same UIDs, in any process; other arguments give other UIDs.

    Parameters
    ----------
    source
        The received image; its pixels are not read, and no attribute of it has to be valid but its UIDs.
    display
        Its display values, float32, rows x cols, in [0, 1]; needed for a Secondary Capture, and for the regions of a
        positive.
    kinds
        What to build; built in the order of `ReportKind`. An image that was not analysed has no probability to measure
        and no map to show: it gets those kinds that need no result.
        A kind that tells of a whole study is built where `study` is given.
    predecessors
        The reports whose place these take; each object names those of its own kind and study.
    study
        What its study's images show; the source is one of them.

    Raises
    ------
    ValueError
        When a Secondary Capture, or the Measurement Report of a positive, is wanted without display values.
    """
    with _silent():
        drafts = drafts_of(
            source,
            display,
            content,
            kinds=kinds,
            equipment=equipment,
            predecessors=predecessors,
            study=study,
        )
        return [_built(draft) for draft in drafts]


def drafts_of(
    source: Dataset,
    display: NDArray[np.float32] | None,
    content: ReportContent,
    *,
    kinds: Collection[ReportKind],
    equipment: Equipment,
    predecessors: Sequence[Dataset] = (),
    study: StudyContent | None = None,
) -> list[Draft]:
    """Return what `build` is to build, object by object."""
    analysed = content.prediction is not None
    localisation = _localisation(display, content, kinds)
    evidence = prepare(source)
    shared = Shared.of(evidence, content, equipment)
    drafts = []
    for kind in ReportKind:
        if kind not in kinds or (kind.needs_result and not analysed) or (kind.of_study and study is None):
            continue
        earlier = tuple(report for report in predecessors if kind_of(report) is kind)
        if kind.of_study and study is not None:
            drafts.append(_draft_of_study(kind, evidence, study, equipment, earlier))
            continue
        what = (evidence, content, equipment, shared, display, earlier, localisation)
        drafts.append(Draft(kind, kind.sop_classes[0], *what))
    return drafts


def _draft_of_study(
    kind: ReportKind, evidence: Evidence, study: StudyContent, equipment: Equipment, earlier: tuple[Dataset, ...]
) -> Draft:
    shared_by_all, content = of_all_images(evidence), study.leading
    shared = Shared.of(shared_by_all, content, equipment)
    what = (shared_by_all, content, equipment, shared, None, earlier, None, study, images_of(study))
    return Draft(kind, kind.sop_classes[0], *what)


def recipe_of(draft: Draft) -> Any:
    """Return what an object is made of: highdicom makes of it what `build` returns, which takes it far longer."""
    with _silent():
        return _RECIPES[draft.kind](draft)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep the warnings of pydicom and highdicom from the log: they quote attribute values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _built(draft: Draft) -> BuiltObject:
    recipe = _RECIPES[draft.kind](draft)
    header: Header = recipe.header
    return BuiltObject(
        kind=draft.kind,
        sop_class_uid=draft.sop_class_uid,
        sop_instance_uid=header.sop_instance_uid.value,
        series_instance_uid=header.series_instance_uid.value,
        content=_TEMPLATES[draft.kind].encoded(recipe),
    )


def kind_of(dataset: Dataset) -> ReportKind | None:
    """Return which kind of report a data set is; None when it is none of ours."""
    names = dataset.get("ConceptNameCodeSequence")
    title = (names[0].get("CodeValue"), names[0].get("CodingSchemeDesignator")) if names else None
    for kind in ReportKind:
        own = kind.document_title
        if dataset.get("SOPClassUID") in kind.sop_classes and title == (own and (own.value, own.scheme)):
            return kind
    return None


def predecessor(
    kind: ReportKind,
    *,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_class_uid: str,
    sop_instance_uid: str,
) -> Dataset:
    """Return what stands for an earlier report whose bytes are gone: its kind and its UIDs, to refer to it by."""
    dataset = Dataset()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_instance_uid, series_instance_uid
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class_uid, sop_instance_uid
    if kind in codes.TITLES:
        dataset.ConceptNameCodeSequence = [_coded(codes.TITLES[kind])]
    return dataset


def _coded(concept: Concept) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = concept
    return item


def _localisation(
    display: NDArray[np.float32] | None, content: ReportContent, kinds: Collection[ReportKind]
) -> Localisation | None:
    """Return where the activation of a positive lies, for the objects that show it."""
    if content.prediction is None or content.outcome is not Outcome.POSITIVE:
        return None
    if not any(kind.needs_result for kind in kinds):
        return None
    if display is None:
        raise ValueError("the regions of a positive need the display values of its image")
    return localise(content.prediction.cam, find_lung_field(display))
