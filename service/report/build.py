"""Build the report set of one image."""

import warnings
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from service.report import codes
from service.report.built import BuiltObject
from service.report.content import ReportContent
from service.report.draft import Draft
from service.report.equipment import Equipment
from service.report.evidence import prepare
from service.report.measurement_sr import measurement_sr
from service.report.region import Localisation, localise
from service.report.secondary_capture import secondary_capture
from service.report.text_sr import text_sr
from service.report.variants import SOP_CLASSES
from service.thorax import find_lung_field
from service.vocabulary.facts import ReportKind
from service.vocabulary.findings import Outcome

#: Document title of a TID 1500 report, PS3.16.
_MEASUREMENT_REPORT = ("126000", "DCM")


def build(
    source: Dataset,
    display: NDArray[np.float32] | None,
    content: ReportContent,
    *,
    kinds: Collection[ReportKind],
    equipment: Equipment,
    predecessors: Sequence[Dataset] = (),
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
        What to build; built in the order of `ReportKind`. An image that was not analysed gets the text report alone: it
        has no probability to measure and no map to show.
    predecessors
        The reports whose place these take; each object names those of its own kind and study.

    Raises
    ------
    ValueError
        When a Secondary Capture, or the Measurement Report of a positive, is wanted without display values.
    """
    analysed = content.prediction is not None
    localisation = _localisation(display, content, kinds)
    objects = []
    # pydicom and highdicom quote attribute values in their warnings.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evidence = prepare(source)
        for kind in ReportKind:
            if kind not in kinds or not (analysed or kind is ReportKind.TEXT_SR):
                continue
            earlier = tuple(report for report in predecessors if kind_of(report) is kind)
            draft = Draft(kind, SOP_CLASSES[kind][0], evidence, content, equipment, earlier, localisation)
            objects.append(BuiltObject.of(kind, _dataset(draft, display)))
    return objects


def kind_of(dataset: Dataset) -> ReportKind | None:
    """Return which kind of report a data set is; None when it is none of ours."""
    sop_class_uid = dataset.get("SOPClassUID")
    if sop_class_uid == SecondaryCaptureImageStorage:
        return ReportKind.SECONDARY_CAPTURE
    names = dataset.get("ConceptNameCodeSequence") or [Dataset()]
    title = (names[0].get("CodeValue"), names[0].get("CodingSchemeDesignator"))
    if sop_class_uid in SOP_CLASSES[ReportKind.MEASUREMENT_SR] and title == _MEASUREMENT_REPORT:
        return ReportKind.MEASUREMENT_SR
    is_text = title == (codes.TRIAGE_RESULT.value, codes.OWN_SCHEME)
    return ReportKind.TEXT_SR if sop_class_uid in SOP_CLASSES[ReportKind.TEXT_SR] and is_text else None


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
    if kind is not ReportKind.SECONDARY_CAPTURE:
        title = Dataset()
        title.CodeValue, title.CodingSchemeDesignator = (
            (codes.TRIAGE_RESULT.value, codes.OWN_SCHEME) if kind is ReportKind.TEXT_SR else _MEASUREMENT_REPORT
        )
        dataset.ConceptNameCodeSequence = [title]
    return dataset


def _localisation(
    display: NDArray[np.float32] | None, content: ReportContent, kinds: Collection[ReportKind]
) -> Localisation | None:
    """Return where the activation of a positive lies, for the objects that show it."""
    if content.prediction is None or content.outcome is not Outcome.POSITIVE or not set(kinds) - {ReportKind.TEXT_SR}:
        return None
    if display is None:
        raise ValueError("the regions of a positive need the display values of its image")
    return localise(content.prediction.cam, find_lung_field(display))


def _dataset(draft: Draft, display: NDArray[np.float32] | None) -> Dataset:
    if draft.kind is ReportKind.TEXT_SR:
        return text_sr(draft)
    if draft.kind is ReportKind.MEASUREMENT_SR:
        return measurement_sr(draft)
    if display is None:
        raise ValueError("a Secondary Capture needs the display values of its image")
    return secondary_capture(draft, display)
