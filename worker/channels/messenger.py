"""The messenger tells one receiver what happened, over whatever channel: in order, until the receiver took it."""

from datetime import timedelta
from functools import partial

from service.audit import events
from service.audit.events import Node
from service.ledger import DueMessage
from service.process.log import get_logger
from service.settings import ReceiverSettings
from service.vocabulary.errors import (
    DeliveryFailed,
    LedgerUnavailable,
    TransientDeliveryFailure,
    Unavailable,
)
from worker.batch import Batch
from worker.channels.contract import Channel, Surroundings
from worker.channels.told import as_it_stands
from worker.condition import Condition
from worker.ladder import Ladder, in_words
from worker.leases import lease_for
from worker.liveness import Activity
from worker.retries import is_given_up, pause_after

log = get_logger(__name__)

_BATCH = 16


class Messenger:
    """Brings one receiver its messages; used by one thread.

    A message may come twice, for an answer can be lost; it has the same ID then.

    Parameters
    ----------
    owner
        A name for its leases, unique among all workers.

    Attributes
    ----------
    activity
        Its line of work, whose progress is watched.
    """

    def __init__(self, around: Surroundings, receiver: ReceiverSettings, owner: str, channel: Channel) -> None:
        self._settings = around.settings.delivery
        self._receiver = receiver
        self._messages = around.ledger.messages
        self._inspection = around.ledger.inspection
        self._owner = owner
        self._clock = around.clock
        self._channel = channel
        self._trail = around.trail
        self._node = Node(around.settings.listener.ae_title)
        self._condition = Condition(f"{receiver.name}: nothing is told for now")
        self._last_use = self._clock()
        self.activity = Activity(f"the messages to {receiver.name}", partial(self._messages.any_due, receiver.name))
        self._batch = Batch(
            Ladder(
                name=lambda row: f"message {row.message_id}",
                unavailable=self._untried,
                transient=self._put_off,
                permanent=self._give_up,
                unexpected=self._unexpected,
            ),
            self._messages.renew,
            self._messages.release,
            lease_for(self._settings, receiver),
            self._clock,
            around.stop,
            self.activity.progress,
        )

    def step(self) -> int:
        """Tell what is due, one batch; return how many messages were handled."""
        rows = self._messages.claim(self._owner, self._receiver.name, _BATCH, self._batch.lease)
        self.activity.progress()
        try:
            self._batch.run(rows, self._tell)
        except Unavailable:
            self.close()
            raise
        if rows:
            self._last_use = self._clock()
        elif self._clock() - self._last_use > timedelta(seconds=self._settings.idle_release):
            self.close()
        return len(rows)

    def pause(self, longest: float) -> float:
        """Return the seconds until the receiver's next message is due, at most `longest`."""
        due = self._messages.next_due(self._receiver.name)
        if due is None:
            return longest
        return min(longest, max(0.05, (due - self._clock()).total_seconds()))

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    def _tell(self, row: DueMessage) -> None:
        if self._messages.is_called_off(row):
            self._messages.release(row)
            return
        study = self._inspection.history(row.study_instance_uid)
        message = as_it_stands(row, study) if study is not None else None
        payload = self._channel.build(message, study) if message is not None and study is not None else None
        if message is None or payload is None:
            self._messages.save_nothing_to_tell(row)
            return
        answer = self._channel.send(message, payload)
        self._messages.save_taken(row, answer)
        self._trail.note(
            events.study_told,
            self._node,
            self._receiver.name,
            self._receiver.address[0],
            message.instance.identity,
            what=row.event.value,
            message_id=row.message_id,
        )
        self._condition.good()
        log.info("told %s of %s, message %s: %s", self._receiver.name, row.event, row.message_id, answer)

    def _untried(self, row: DueMessage, error: Unavailable) -> None:
        # The ledger alone is asked, before the message goes out and after the answer came; where it is away, nobody
        # knows which: the lease ends by itself, and the receiver knows the message by its ID.
        if not isinstance(error, LedgerUnavailable):
            self._messages.release(row)

    def _unexpected(self, row: DueMessage, error: Exception) -> None:
        self._put_off(row, TransientDeliveryFailure(f"an unexpected error: {in_words(error)}"))

    def _put_off(self, row: DueMessage, error: TransientDeliveryFailure) -> None:
        now = self._clock()
        # Most are young enough without a look at whether their study was on hold.
        if is_given_up(row.created_at, now, self._settings) and is_given_up(
            self._messages.free_since(row), now, self._settings
        ):
            self._give_up(row, error)
            return
        pause = pause_after(error, row.attempts, self._settings, self._receiver)
        self._condition.bad(str(error))
        log.debug("%s: message %s is put off by %.1f s", self._receiver.name, row.message_id, pause.total_seconds())
        self._messages.save_retry(row, now + pause, str(error))

    def _give_up(self, row: DueMessage, error: DeliveryFailed) -> None:
        log.error(
            "%s: gave message %s up: %s; `auscult retry` tells it again", self._receiver.name, row.message_id, error
        )
        self._messages.save_dead(row, str(error))
