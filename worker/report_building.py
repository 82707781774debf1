"""Builds the reports that are due, once: their bytes are kept in the store and never built again."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from models.checkpoint import Checkpoint
from service.dicom.pixels import decode
from service.ledger import DueReport, EarlierReport, ImageFacts, Ledger, NewReport, StudyFacts
from service.objects import ObjectStore
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.report import Equipment, StudyContent, build, predecessor
from service.settings import Settings
from service.vocabulary.errors import StudyChanged, Unavailable
from service.vocabulary.event_details import EventDetail
from service.vocabulary.language import Language
from service.vocabulary.report_kinds import ReportKind
from worker.batch import Batch
from worker.circuit_breaker import CircuitBreaker
from worker.ladder import Ladder
from worker.report_content import ContentWriter
from worker.report_source import named_by, source_of
from worker.wanted_reports import wanted_reports, wants_study

log = get_logger(__name__)

_RETRY_AFTER = timedelta(seconds=15)
#: Seconds for which nothing is claimed because the store was away for a whole batch. A batch of which one image went
#: well is no reason for it: a single file that the disk cannot read must not keep the others waiting.
_PAUSE_S = 15.0
#: When an image is due again whose bytes were away: after others have had their turn.
_PUT_OFF = timedelta(seconds=2 * _PAUSE_S)


@dataclass
class ReportBuilding:
    """Claims instances whose reports are due, builds them, and puts them into the outbox.

    Attributes
    ----------
    stop
        Set by a signal: what is being built is finished, the rest given back, and nothing more is claimed.
    progress
        Called after each.
    ready
        Called after every few of them: couriers are not to wait until a whole backlog is built.
    """

    settings: Settings
    ledger: Ledger
    store: ObjectStore
    checkpoints: Sequence[Checkpoint]
    owner: str
    clock: Clock = utc_now
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[], None] = lambda: None
    ready: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._writer = ContentWriter(self.checkpoints)
        self._circuit = CircuitBreaker(self.clock, _PAUSE_S, _PAUSE_S)
        self._batch = Batch(
            Ladder(
                name=lambda due: f"the reports of {due.sop_instance_uid}",
                unavailable=self._put_off,
                unexpected=self._fail,
            ),
            self.ledger.reporting.renew,
            lambda due: self.ledger.reporting.release(due, EventDetail.WORKER_STOPS.of(), self.clock()),
            timedelta(seconds=self.settings.delivery.lease),
            self.clock,
            self.stop,
            self.progress,
            ends_without=False,
        )

    @property
    def _maximum_attempts(self) -> int:
        return self.settings.analysis.maximum_attempts

    def run_until_idle(self) -> int:
        """Build all reports that are due; return for how many instances."""
        built = 0
        while claimed := self._claim():
            errors = self._batch.run(claimed, self._bring)
            if len(errors) == len(claimed) and all(isinstance(error, Unavailable) for error in errors):
                self._circuit.fail()
            built += len(claimed)
            self.ready()
        return built

    def _claim(self) -> list[DueReport]:
        if self.stop.is_set() or self._circuit.is_open():
            return []
        return self.ledger.reporting.claim(self.owner, 4, self._batch.lease, self._maximum_attempts)

    def _bring(self, due: DueReport) -> None:
        """Build one instance's reports and put them into the outbox."""
        while True:
            study = self.ledger.reporting.study(due) if wants_study(self.settings, due) else None
            try:
                return self.ledger.reporting.save(due, self._build(due, study), self.store.holds, study)
            except StudyChanged:
                # Another worker built a document of the study, or an image of it has a result: it tells of that too.
                log.info("the reports of %s are built again: their study has changed", due.sop_instance_uid)

    def _put_off(self, due: DueReport, error: Exception) -> None:
        log.warning("the reports of %s are put off: %s", due.sop_instance_uid, error)
        self.ledger.reporting.release(due, str(error), self.clock() + _PUT_OFF)

    def _fail(self, due: DueReport, error: Exception) -> None:
        # A report that cannot be built must not keep others from being built; a person is called for it.
        log.error("the reports of %s could not be built (%s)", due.sop_instance_uid, type(error).__name__)
        retry_at = self.clock() + _RETRY_AFTER
        self.ledger.reporting.save_failure(due, type(error).__name__, retry_at, self._maximum_attempts)

    def _build(self, due: DueReport, study: StudyFacts | None) -> list[NewReport]:
        wanted = wanted_reports(self.settings, due, study)
        if not wanted:
            return []
        source = source_of(due, self.store)
        display = None
        if due.prediction is not None and any(kind.needs_result for kinds in wanted.values() for kind in kinds):
            display = decode(source, max_pixels=self.settings.scope.maximum_pixels).display()
        return [
            report
            for language, kinds in wanted.items()
            for report in self._in_language(due, study, language, kinds, source, display)
        ]

    def _in_language(
        self,
        due: DueReport,
        study: StudyFacts | None,
        language: Language,
        wanted: Mapping[ReportKind, Sequence[str]],
        source: Dataset,
        display: NDArray[np.float32] | None,
    ) -> list[NewReport]:
        content = self._writer.of_image(due, language)
        built = build(
            source,
            display,
            content,
            kinds=set(wanted),
            equipment=_equipment(self.settings),
            predecessors=_predecessors(
                (*due.predecessors, *(study.predecessors if study else ())), language, self.store
            ),
            study=self._of_study(due, study, language, source) if study and any(k.of_study for k in wanted) else None,
        )
        return [
            NewReport(
                kind=item.kind.value,
                outcome=study.outcome if study and item.kind.of_study else content.outcome,
                sop_class_uid=item.sop_class_uid,
                sop_instance_uid=item.sop_instance_uid,
                series_instance_uid=item.series_instance_uid,
                object_key=self.store.put(item.encoded()).key,
                destinations=tuple(wanted[item.kind]),
                language=language,
            )
            for item in built
        ]

    def _of_study(self, due: DueReport, study: StudyFacts, language: Language, own: Dataset) -> StudyContent:
        def source(image: ImageFacts) -> Dataset:
            return own if image.id == due.id else named_by(image, self.store)

        return self._writer.of_study(due, study, language, source)


def _predecessors(reports: Sequence[EarlierReport], language: Language, store: ObjectStore) -> Sequence[Dataset]:
    """Return the earlier reports of each kind: in the same language, or in what a destination read before."""
    alike = {report.kind for report in reports if report.language is language}
    return [
        predecessor(
            ReportKind(report.kind),
            study_instance_uid=report.study_instance_uid,
            series_instance_uid=report.series_instance_uid,
            sop_class_uid=report.sop_class_uid,
            sop_instance_uid=report.sop_instance_uid,
        )
        if report.removed
        else dcmread(BytesIO(store.read(report.object_key)))
        for report in reports
        if report.language is language or report.kind not in alike
    ]


def _equipment(settings: Settings) -> Equipment:
    report = settings.report
    return Equipment(
        software_version=_software_version(),
        device_serial_number=report.device_serial_number,
        institution=report.institution,
        content_qualification=report.content_qualification,
    )


@cache  # it is looked up in the files of the installation
def _software_version() -> str:
    return version("auscult")
