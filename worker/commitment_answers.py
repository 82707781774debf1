"""Tells a peer, on associations that we open, which of the instances it asked for we hold."""

import threading
from datetime import timedelta
from functools import partial

from service.dicom.commitment.associations import TellingAssociation
from service.dicom.commitment.holdings import judge
from service.dicom.commitment.messages import answer
from service.ledger import DueCommitment, Ledger
from service.objects import ObjectStore
from service.process.backoff import backoff
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.settings import PeerSettings, Settings
from service.vocabulary.errors import DeliveryFailed, LedgerUnavailable, TransientDeliveryFailure, Unavailable
from worker.batch import Batch
from worker.ladder import Ladder, in_words
from worker.leases import lease_for
from worker.liveness import Activity

log = get_logger(__name__)

_BATCH = 16


class CommitmentAnswers:
    """The answers to one peer; used by one thread.

    Parameters
    ----------
    owner
        A name for the leases of this thread, unique among all workers.

    Attributes
    ----------
    activity
        Its line of work, whose progress is watched.
    """

    def __init__(
        self,
        settings: Settings,
        peer: PeerSettings,
        ledger: Ledger,
        store: ObjectStore,
        owner: str,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings.delivery
        self._peer = peer
        self._requests = ledger.commitment_requests
        self._store = store
        self._owner = owner
        self._clock = clock
        self._association = TellingAssociation(peer, settings.calling_ae_title(peer))
        self.activity = Activity(
            f"the answers to {peer.ae_title}", partial(self._requests.any_due, self._peer.ae_title.strip())
        )
        self._batch = Batch(
            Ladder(
                name=lambda _: f"the answer to {peer.ae_title}",
                unavailable=self._untried,
                transient=self._put_off,
                unexpected=self._unexpected,
            ),
            self._requests.renew,
            self._requests.release,
            lease_for(settings.delivery, peer),
            clock,
            threading.Event(),
            self.activity.progress,
        )

    def step(self) -> int:
        """Answer what is due over one association; return how many requests were handled."""
        rows = self._requests.claim(self._owner, self._peer.ae_title.strip(), _BATCH, self._batch.lease)
        self.activity.progress()
        try:
            self._batch.run(rows, self._answer)
        finally:
            self._association.close()
        return len(rows)

    def _answer(self, row: DueCommitment) -> None:
        verdict = judge(row, self._requests, self._store)
        self._association.tell(*answer(row.transaction_uid, verdict.held, verdict.failed))
        self._requests.save_answered(row, str(verdict))
        log.info("told %s what it asked: %s", self._peer.ae_title, verdict)

    def _untried(self, row: DueCommitment, error: Unavailable) -> None:
        # What the ledger and the store hold is looked up before the peer is told.
        if not isinstance(error, LedgerUnavailable):
            self._requests.release(row)

    def _unexpected(self, row: DueCommitment, error: Exception) -> None:
        self._put_off(row, TransientDeliveryFailure(f"an unexpected error: {in_words(error)}"))

    def _put_off(self, row: DueCommitment, error: DeliveryFailed) -> None:
        now = self._clock()
        if now - row.requested_at > timedelta(seconds=self._settings.give_up_after):
            log.error("%s could not be told what we hold: %s; `auscult retry` tries again", self._peer.ae_title, error)
            self._requests.save_dead(row, str(error))
            return
        pause = backoff(row.attempts, self._settings.first_retry, self._settings.longest_retry)
        log.warning("the answer to %s is put off by %.1f s: %s", self._peer.ae_title, pause, error)
        self._requests.save_retry(row, now + timedelta(seconds=pause), str(error))

    def pause(self, longest: float) -> float:
        """Return the seconds until the peer's next answer is due, at most `longest`."""
        due = self._requests.next_due(self._peer.ae_title.strip())
        if due is None:
            return longest
        return min(longest, max(0.05, (due - self._clock()).total_seconds()))

    def close(self) -> None:
        """Nothing is kept open between two rounds."""
