"""Celery's consumer of wake-ups, which no message can end.

Celery refuses a form that it does not accept, and a task that it does not know. But a body of another shape, or a
header that it cannot use, raises through its loop and ends the worker; the message goes back, and ends the next one.
"""

from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer

from service.process.log import get_logger

log = get_logger(__name__)


class WakeUpConsumer(Consumer):  # type: ignore[misc]
    """Drops what is no wake-up: nothing is lost with it, for the ledger says what is due."""

    def create_task_handler(self, *args: Any, **more: Any) -> Callable[[Any], None]:
        """Return what takes each message."""
        take = super().create_task_handler(*args, **more)

        def take_or_drop(message: Any) -> None:
            try:
                take(message)
            except (*self.connection_errors, *self.channel_errors):
                raise  # the broker's, by which Celery knows that it must connect again
            except Exception as error:  # noqa: BLE001 - whatever a stranger's message leads Celery to
                # What the error says may be the message.
                log.warning("a message that is no wake-up was dropped (%s)", type(error).__name__)
                if not message.acknowledged:
                    message.reject_log_error(log, self.connection_errors)

        return take_or_drop
