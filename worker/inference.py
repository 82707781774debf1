"""Inference: the one place where DICOM meets the network.

A wake-up carries nothing. The worker claims what is most urgent from the ledger, decodes the next batch while the
network runs on this one, and saves each result in a transaction of its own.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

from models.predictor import Output
from service.ledger import ClaimedInstance, Ledger
from service.objects import ObjectStore
from service.operations.wake import Task, Waker
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.scope import Reason, judge_distance
from service.settings import Settings
from service.vocabulary.errors import AuscultError, LeaseLost, Unavailable
from service.vocabulary.figures import BATCH
from service.vocabulary.findings import Outcome, Prediction
from service.vocabulary.states import Priority
from worker.heartbeat import Heartbeat
from worker.liveness import Strand
from worker.lull import Lull
from worker.network import Network
from worker.preparation import (
    IDENTITY_CORRECTED,
    Clash,
    Duplicate,
    OutOfScope,
    Preparation,
    Prepared,
    Ready,
    Reidentified,
)

log = get_logger(__name__)

_RETRY_AFTER = timedelta(seconds=5)
_Batch = list[tuple[ClaimedInstance, "Future[Prepared]"]]


class Inference:
    """Claims batches of images until none is due.

    Parameters
    ----------
    owner
        A name for this worker's leases, unique among all workers.
    stop
        Set by a signal: the batch under way is finished, the next one is given back.

    Attributes
    ----------
    strand
        Its line of work, whose progress is watched.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        store: ObjectStore,
        network: Network,
        waker: Waker,
        owner: str,
        stop: threading.Event,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings.analysis
        self._scope = settings.scope
        self._lease = timedelta(seconds=settings.analysis.lease)
        self._ledger = ledger
        self._network = network
        self._waker = waker
        self._owner = owner
        self._stop = stop
        self._clock = clock
        self._lull = Lull(clock)
        self._preparation = Preparation(store, network.population, settings.scope, network.checkpoint.digest)
        self._decoders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode")
        self._heartbeat = Heartbeat(lambda claims: ledger.analysis.renew(claims, self._lease), self._lease / 3)
        # What this worker holds is due to nobody else, however long it takes.
        self.strand = Strand("the inference", lambda: self._heartbeat.is_busy() or ledger.analysis.any_due())

    def run_until_idle(self) -> int:
        """Analyse everything that is due; return how many images were settled."""
        try:
            return self._settle_all()
        finally:
            # An error may have left claims behind: kept alive by the heartbeat, they would never be due again.
            self._heartbeat.clear()

    def _settle_all(self) -> int:
        settled = 0
        batch = self._claim()
        self.strand.progress()
        while batch:
            # The next images are decoded while the network runs on these.
            following = self._claim() if not self._stop.is_set() else []
            settled += self._settle(batch)
            self.strand.progress()
            if self._stop.is_set():
                self._give_back(following)
                break
            batch = following or self._claim()
        return settled

    def close(self) -> None:
        """End the threads."""
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self._heartbeat.close()

    def _claim(self) -> _Batch:
        if self._lull.is_on():
            return []
        claims = self._ledger.analysis.claim(
            self._owner, self._settings.batch_size, self._lease, self._settings.maximum_attempts
        )
        self._heartbeat.add(claims)
        return [(claim, self._decoders.submit(self._preparation.prepare, claim)) for claim in claims]

    def _give_back(self, batch: _Batch) -> None:
        for claim, future in batch:
            future.cancel()
            self._saving(claim, partial(self._ledger.analysis.release, claim, detail="worker stopping"))

    def _settle(self, batch: _Batch) -> int:
        ready, away = [], 0
        for claim, future in batch:
            try:
                prepared = future.result()
            except Unavailable as error:
                self._put_off(claim, error)
                away += 1
            except Exception as error:  # noqa: BLE001 - one bad image must not stop the others
                self._fail(claim, error)
            else:
                if isinstance(prepared, Ready):
                    ready.append(prepared)
                else:
                    self._save_or_fail(claim, partial(self._save, prepared))
        self._infer(ready)
        if batch:
            if away == len(batch):
                self._lull.begin()
            self._waker.wake(Task.DELIVER)
        return len(batch)

    def _infer(self, ready: Sequence[Ready]) -> None:
        if not ready:
            return
        try:
            outputs = self._network.predictor.predict([image.display for image in ready])
        except Exception as error:  # noqa: BLE001 - see below
            if len(ready) == 1:
                self._fail(ready[0].claim, error)
                return
            # One image can spoil a batch: alone, only it fails.
            for image in ready:
                self._infer([image])
            return
        self._ledger.figures.tally.observe(BATCH, len(ready))
        for image, output in zip(ready, outputs, strict=True):
            settled = self._settled_by_distance(image, output)
            if isinstance(settled, OutOfScope):
                self._save_or_fail(image.claim, partial(self._save, settled))
                continue
            prediction = self._network.prediction(output)
            self._save_or_fail(image.claim, partial(self._save_prediction, settled, prediction))

    def _settled_by_distance(self, image: Ready, output: Output) -> Ready | OutOfScope:
        """Return the image as it was, with a doubt, or as not analysed, by how unlike the training images it is."""
        found = judge_distance(output.distance, self._network.distance_limit, self._scope)
        if isinstance(found, Reason):
            # The header did not speak against a chest: without a report, silence would read as normal.
            return OutOfScope(image.claim, found, True, image.pixel_digest, image.flags, image.superseding_reason)
        return image if found is None else replace(image, flags=(*image.flags, found))

    def _save_prediction(self, image: Ready, prediction: Prediction) -> None:
        self._ledger.analysis.save_prediction(
            image.claim,
            prediction,
            pixel_digest=image.pixel_digest,
            flags=image.flags,
            priority=suggested_priority(prediction),
            superseding_reason=image.superseding_reason,
        )
        log.info("analysed %s: %s", image.claim.sop_instance_uid, prediction.outcome.value)

    def _save(self, prepared: OutOfScope | Duplicate | Clash | Reidentified) -> None:
        analysis, uid = self._ledger.analysis, prepared.claim.sop_instance_uid
        match prepared:
            case OutOfScope(claim, reason, is_chest, digest, flags, superseding):
                analysis.save_out_of_scope(
                    claim,
                    reason.code,
                    is_chest=is_chest,
                    pixel_digest=digest,
                    flags=flags,
                    superseding_reason=superseding,
                )
                log.info("not analysed %s: %s", uid, reason.value)
            case Duplicate(claim, digest):
                analysis.save_duplicate(claim, digest)
                log.info("duplicate %s: same pixels and identity as before", uid)
            case Clash(claim, digest):
                analysis.save_held(claim, digest)
                log.error("HELD %s: another patient's image under one SOP Instance UID", uid)
            case Reidentified(claim, prediction, digest, flags):
                analysis.save_prediction(
                    claim,
                    prediction,
                    pixel_digest=digest,
                    flags=flags,
                    priority=suggested_priority(prediction),
                    superseding_reason=IDENTITY_CORRECTED,
                    reused=True,
                )
                log.info("prediction reused for %s: its identity was corrected", uid)

    def _fail(self, claim: ClaimedInstance, error: Exception) -> None:
        log.error("attempt %d at %s failed (%s)", claim.attempt, claim.sop_instance_uid, type(error).__name__)
        detail = str(error) if isinstance(error, AuscultError) else type(error).__name__
        attempts, retry_at = self._settings.maximum_attempts, self._clock() + _RETRY_AFTER
        self._saving(claim, lambda: self._ledger.analysis.save_failure(claim, detail, attempts, retry_at))

    def _put_off(self, claim: ClaimedInstance, error: Unavailable) -> None:
        log.warning("%s is put off: %s", claim.sop_instance_uid, error)
        release = self._ledger.analysis.release
        self._saving(claim, lambda: release(claim, retry_at=self._lull.retry_at(), detail=str(error)))

    def _save_or_fail(self, claim: ClaimedInstance, save: Callable[[], None]) -> None:
        try:
            self._saving(claim, save)
        except Exception as error:  # noqa: BLE001 - a result that the ledger refuses must not take the others along
            self._fail(claim, error)

    def _saving(self, claim: ClaimedInstance, save: Callable[[], None]) -> None:
        """Save one image's result; a result that cannot be saved comes again when the lease has expired."""
        try:
            save()
        except (LeaseLost, Unavailable) as error:
            log.warning("the result for %s was not saved: %s", claim.sop_instance_uid, error)
        finally:
            self._heartbeat.remove(claim)


def suggested_priority(prediction: Prediction) -> Priority:
    """Return the priority that a prediction earns its study; it can only raise one."""
    return Priority.URGENT if prediction.outcome is Outcome.POSITIVE else Priority.ROUTINE
