"""When what could not be delivered is tried again, and when it is given up; the same for reports and messages."""

from datetime import datetime, timedelta

from service.process.backoff import backoff
from service.settings import DeliverySettings, DicomwebSettings, NodeSettings, ReceiverSettings
from service.vocabulary.errors import DeliveryFailed, TransientDeliveryFailure


def is_given_up(created_at: datetime, now: datetime, settings: DeliverySettings) -> bool:
    """Return whether what has waited since a moment is tried no more."""
    return now - created_at > timedelta(seconds=settings.give_up_after)


def pause_after(
    error: DeliveryFailed,
    attempts: int,
    settings: DeliverySettings,
    node: NodeSettings | ReceiverSettings | DicomwebSettings,
) -> timedelta:
    """Return how long a node is left alone with what it did not take."""
    pause = backoff(attempts, settings.first_retry, settings.longest_retry)
    if isinstance(error, TransientDeliveryFailure) and error.in_doubt:
        # What is still alive of this attempt, on the way or at the node, must not meet the next one: an archive may
        # delete as the broken first copy what it has just stored as the second.
        pause = max(pause, node.response_timeout)
    return timedelta(seconds=pause)
