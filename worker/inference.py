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

from service.ledger import ClaimedInstance, Ledger
from service.objects import ObjectStore
from service.operations.wake import Task, Waker
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.scope import judge_distance
from service.settings import ScopeSettings, Settings
from service.vocabulary.errors import Unavailable
from service.vocabulary.event_details import EventDetail
from service.vocabulary.facts import Reason
from service.vocabulary.figures import BATCH
from worker.circuit_breaker import CircuitBreaker
from worker.doubts import doubts_of_the_map
from worker.ladder import Ladder, in_words
from worker.lease_renewal import LeaseRenewal
from worker.liveness import Activity
from worker.network import Network
from worker.networks import Networks
from worker.preparation import (
    OutOfScope,
    Preparation,
    Prepared,
    Ready,
)
from worker.results import save, save_prediction

log = get_logger(__name__)

_RETRY_AFTER = timedelta(seconds=5)
#: Seconds for which nothing is claimed because the store was away for a whole batch. A batch of which one image went
#: well is no reason for it: a single file that the disk cannot read must not keep the others waiting.
_PAUSE_S = 15.0
#: When an image is due again whose bytes were away: after others have had their turn.
_PUT_OFF = timedelta(seconds=2 * _PAUSE_S)
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
    activity
        Its line of work, whose progress is watched.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        store: ObjectStore,
        networks: Networks,
        waker: Waker,
        owner: str,
        stop: threading.Event,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings.analysis
        self._scope = settings.scope
        self._lease = timedelta(seconds=settings.analysis.lease)
        self._ledger = ledger
        self._waker = waker
        self._owner = owner
        self._stop = stop
        self._clock = clock
        self._circuit = CircuitBreaker(clock, _PAUSE_S, _PAUSE_S)
        self._preparation = Preparation(store, networks, settings.scope)
        self._decoders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="decode")
        self._renewal = LeaseRenewal(lambda claims: ledger.analysis.renew(claims, self._lease), self._lease / 3)
        self._ladder = Ladder(
            name=lambda claim: claim.sop_instance_uid, unavailable=self._put_off, unexpected=self._fail
        )
        # What this worker holds is due to nobody else, however long it takes.
        self.activity = Activity("the inference", lambda: self._renewal.is_busy() or ledger.analysis.any_due())

    def run_until_idle(self) -> int:
        """Analyse everything that is due; return how many images were settled."""
        try:
            return self._settle_all()
        finally:
            # An error may have left claims behind: kept alive by the renewal, they would never be due again.
            self._renewal.clear()

    def _settle_all(self) -> int:
        settled = 0
        batch = self._claim()
        self.activity.progress()
        while batch:
            # The next images are decoded while the network runs on these.
            following = self._claim() if not self._stop.is_set() else []
            settled += self._settle(batch)
            self.activity.progress()
            if self._stop.is_set():
                self._give_back(following)
                break
            batch = following or self._claim()
        return settled

    def close(self) -> None:
        """End the threads."""
        self._decoders.shutdown(wait=True, cancel_futures=True)
        self._renewal.close()

    def _claim(self) -> _Batch:
        if self._circuit.is_open():
            return []
        claims = self._ledger.analysis.claim(
            self._owner, self._settings.batch_size, self._lease, self._settings.maximum_attempts
        )
        self._renewal.add(claims)
        return [(claim, self._decoders.submit(self._preparation.prepare, claim)) for claim in claims]

    def _give_back(self, batch: _Batch) -> None:
        for claim, future in batch:
            future.cancel()
            self._settled(claim, partial(self._ledger.analysis.release, claim, detail=EventDetail.WORKER_STOPS.of()))

    def _settle(self, batch: _Batch) -> int:
        prepared: list[Prepared] = []

        def collect(future: "Future[Prepared]") -> None:
            prepared.append(future.result())

        errors = [self._attempt(claim, partial(collect, future)) for claim, future in batch]
        for image in prepared:
            if not isinstance(image, Ready):
                self._settled(image.claim, partial(save, self._ledger.results, image))
        ready = [image for image in prepared if isinstance(image, Ready)]
        for network in dict.fromkeys(image.network for image in ready):
            self._infer(network, [image for image in ready if image.network is network])
        if batch:
            if all(isinstance(error, Unavailable) for error in errors):
                self._circuit.fail()
            self._waker.wake(Task.DELIVER)
        return len(batch)

    def _infer(self, network: Network, ready: Sequence[Ready]) -> None:
        try:
            outputs = network.predictor.predict([image.display for image in ready])
        except Exception as error:  # noqa: BLE001 - see below
            if len(ready) == 1:
                self._settled(ready[0].claim, partial(self._ladder.record, ready[0].claim, error))
                return
            # One image can spoil a batch: alone, only it fails.
            for image in ready:
                self._infer(network, [image])
            return
        self._ledger.figures.tally.observe(BATCH, len(ready))
        for image, output in zip(ready, outputs, strict=True):
            measured = replace(image, distance=output.distance)
            settled = _judged_by_distance(measured, network.distance_limit, self._scope)
            if isinstance(settled, OutOfScope):
                self._settled(image.claim, partial(save, self._ledger.results, settled))
                continue
            prediction = network.prediction(output)
            doubted = replace(settled, flags=(*settled.flags, *doubts_of_the_map(prediction, image.display)))
            self._settled(image.claim, partial(save_prediction, self._ledger.results, doubted, prediction))

    def _fail(self, claim: ClaimedInstance, error: Exception) -> None:
        log.error("attempt %d at %s failed (%s)", claim.attempt, claim.sop_instance_uid, type(error).__name__)
        attempts, retry_at = self._settings.maximum_attempts, self._clock() + _RETRY_AFTER
        self._ledger.analysis.save_failure(claim, in_words(error), attempts, retry_at)

    def _put_off(self, claim: ClaimedInstance, error: Unavailable) -> None:
        log.warning("%s is put off: %s", claim.sop_instance_uid, error)
        self._ledger.analysis.release(claim, retry_at=self._clock() + _PUT_OFF, detail=str(error))

    def _attempt(self, claim: ClaimedInstance, act: Callable[[], None]) -> Exception | None:
        """Do something with an image, and let it go when that cannot be done."""
        error = self._ladder.attempt(claim, act)
        if error is not None:
            self._renewal.remove(claim)
        return error

    def _settled(self, claim: ClaimedInstance, act: Callable[[], None]) -> None:
        """Save what becomes of an image, and let it go; what cannot be saved is due again when its lease is over."""
        self._attempt(claim, act)
        self._renewal.remove(claim)


def _judged_by_distance(image: Ready, limit: float | None, scope: ScopeSettings) -> Ready | OutOfScope:
    """Return the image as it was, with a doubt, or as not analysed, by how unlike the training images it is."""
    found = judge_distance(image.distance, limit, scope)
    if isinstance(found, Reason):
        # The header did not speak against a chest: without a report, silence would read as normal.
        return OutOfScope(
            image.claim,
            found,
            True,
            image.pixel_digest,
            image.flags,
            image.superseding_reason,
            image.distance,
            image.network.checkpoint.digest,
        )
    return image if found is None else replace(image, flags=(*image.flags, found))
