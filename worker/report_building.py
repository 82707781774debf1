"""Builds the reports that are due, once: their bytes are kept in the store and never built again."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.metadata import version
from io import BytesIO

from pydicom import Dataset, dcmread

from models.card import Card
from models.checkpoint import Checkpoint
from service.dicom.pixels import decode
from service.ledger import DueReport, Ledger, NewReport
from service.objects import ObjectStore
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.report import Equipment, ReportContent, ReportKind, build, predecessor
from service.settings import DestinationSettings, Settings
from service.vocabulary.errors import Unavailable
from service.vocabulary.facts import Reason
from service.vocabulary.findings import Outcome
from service.vocabulary.states import State
from service.wording import in_words, reason_in_words
from worker.batch import Batch
from worker.circuit import CircuitBreaker
from worker.ladder import Ladder
from worker.report_source import source_of

log = get_logger(__name__)

LIMITS_UNKNOWN = "The checkpoint's card, which says what it was not made for, is not at hand or does not say it."
ANALYSIS_FAILED_TEXT = "the analysis failed; see the gateway's log"
_RETRY_AFTER = timedelta(seconds=15)
#: Seconds for which nothing is claimed because the store was away for a whole batch. A batch of which one image went
#: well is no reason for it: a single file that the disk cannot read must not keep the others waiting.
_PAUSE_S = 15.0
#: When an image is due again whose bytes were away: after others have had their turn.
_PUT_OFF = timedelta(seconds=2 * _PAUSE_S)
_ENGLISH = "en"


@dataclass
class ReportBuilding:
    """Claims instances whose reports are due, builds them, and puts them into the outbox.

    Attributes
    ----------
    stop
        Set by a signal: what is being built is finished, the rest given back, and nothing more is claimed.
    progress
        Called after each.
    """

    settings: Settings
    ledger: Ledger
    store: ObjectStore
    checkpoints: Sequence[Checkpoint]
    owner: str
    clock: Clock = utc_now
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self._circuit = CircuitBreaker(self.clock, _PAUSE_S, _PAUSE_S)
        self._batch = Batch(
            Ladder(
                name=lambda due: f"the reports of {due.sop_instance_uid}",
                unavailable=self._put_off,
                unexpected=self._fail,
            ),
            self.ledger.reporting.renew,
            lambda due: self.ledger.reporting.release(due, "worker stopping", self.clock()),
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
        return built

    def _claim(self) -> list[DueReport]:
        if self.stop.is_set() or self._circuit.is_open():
            return []
        return self.ledger.reporting.claim(self.owner, 4, self._batch.lease, self._maximum_attempts)

    def _bring(self, due: DueReport) -> None:
        """Build one instance's reports and put them into the outbox."""
        self.ledger.reporting.save(due, self._build(due), self.store.holds)

    def _put_off(self, due: DueReport, error: Exception) -> None:
        log.warning("the reports of %s are put off: %s", due.sop_instance_uid, error)
        self.ledger.reporting.release(due, str(error), self.clock() + _PUT_OFF)

    def _fail(self, due: DueReport, error: Exception) -> None:
        # A report that cannot be built must not keep others from being built; a person is called for it.
        log.error("the reports of %s could not be built (%s)", due.sop_instance_uid, type(error).__name__)
        retry_at = self.clock() + _RETRY_AFTER
        self.ledger.reporting.save_failure(due, type(error).__name__, retry_at, self._maximum_attempts)

    def _build(self, due: DueReport) -> list[NewReport]:
        wanted = self._wanted(due)
        if not wanted:
            return []
        content = self._content(due)
        source = source_of(due, self.store)
        display = None
        if due.prediction is not None:
            display = decode(source, max_pixels=self.settings.scope.maximum_pixels).display()
        built = build(
            source,
            display,
            content,
            kinds=set(wanted),
            equipment=_equipment(self.settings),
            predecessors=_predecessors(due, self.store),
        )
        return [
            NewReport(
                kind=item.kind.value,
                outcome=content.outcome,
                sop_class_uid=item.sop_class_uid,
                sop_instance_uid=item.sop_instance_uid,
                series_instance_uid=item.series_instance_uid,
                object_key=self.store.put(item.encoded()).key,
                destinations=tuple(wanted[item.kind]),
            )
            for item in built
        ]

    def _wanted(self, due: DueReport) -> dict[ReportKind, list[str]]:
        """Return the destinations of each kind of report; without any destination, all kinds are built and kept."""
        destinations = self.settings.destinations
        if due.prediction is None:
            told = [item.name for item in destinations if _is_told(item, due.is_chest)]
            return {ReportKind.TEXT_SR: told} if told or not destinations else {}
        wanted = {kind: [item.name for item in destinations if kind.value in item.reports] for kind in ReportKind}
        return {kind: names for kind, names in wanted.items() if names or not destinations}

    def _content(self, due: DueReport) -> ReportContent:
        card = self._card(due)
        return ReportContent(
            outcome=due.prediction.outcome if due.prediction else Outcome.NOT_ANALYSED,
            prediction=due.prediction,
            reason=None if due.prediction else _reason_text(due),
            flags=tuple(map(in_words, due.flags)),
            priority=due.priority,
            priority_reason=in_words(due.priority_source),
            # DICOM times are local times of the site, PS3.5 section 6.2.
            content_time=due.analysed_at.astimezone(),
            pixel_digest=due.pixel_digest or "",
            identity_digest=due.identity_digest,
            limits=card.limits.get(_ENGLISH, LIMITS_UNKNOWN) if card else LIMITS_UNKNOWN,
            population=card.population.description if card and due.prediction else "",
            attempted=due.state is State.FAILED or due.reason == Reason.PIXELS_UNDECODABLE,
            superseding_reason=in_words(due.superseding_reason)
            if due.predecessors and due.superseding_reason
            else None,
        )

    def _card(self, due: DueReport) -> Card | None:
        """Return the card of the checkpoint that judged; of an image that none judged, the first one's."""
        if due.prediction is None:
            return self.checkpoints[0].card
        cards = {checkpoint.digest: checkpoint.card for checkpoint in self.checkpoints}
        return cards.get(due.prediction.checkpoint_digest)  # this worker may have other checkpoints' cards


def _predecessors(due: DueReport, store: ObjectStore) -> Sequence[Dataset]:
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
        for report in due.predecessors
    ]


def _equipment(settings: Settings) -> Equipment:
    report = settings.report
    return Equipment(
        software_version=version("auscult"),
        device_serial_number=report.device_serial_number,
        institution=report.institution,
        content_qualification=report.content_qualification,
    )


def _is_told(destination: DestinationSettings, is_chest: bool) -> bool:
    return destination.not_analysed == "all" or (destination.not_analysed == "chest_only" and is_chest)


def _reason_text(due: DueReport) -> str:
    if due.state is State.FAILED or due.reason is None:
        return ANALYSIS_FAILED_TEXT
    return reason_in_words(due.reason)
