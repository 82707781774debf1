"""The two engines that turn a worker: named pipes on one machine, Celery on Redis for many.

Either way a wake-up carries nothing, and the ledger says what is due.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from service.operations.wake import WAKE_UPS, LocalBell, Task
from service.process.log import get_logger
from service.settings import Settings
from service.vocabulary.errors import Unavailable

log = get_logger(__name__)


def turn(settings: Settings, task: Task, work: Callable[[], int], stop: threading.Event) -> None:
    """Call `work` whenever a wake-up says that something may be due, until SIGTERM or SIGINT.

    Parameters
    ----------
    work
        Handles everything that is due.
    stop
        Set on SIGTERM or SIGINT; `work` gives back what it has not begun.
    """
    if settings.queue.is_local:
        _turn_locally(settings, task, work, stop)
    else:
        _turn_by_celery(settings.queue.address.get_secret_value(), task, work, stop)


def _turn_locally(settings: Settings, task: Task, work: Callable[[], int], stop: threading.Event) -> None:
    bell = LocalBell(settings.wake_dir, task)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    log.info("worker ready: %s", task.value)
    try:
        while not stop.is_set():
            _attempt(work)
            bell.wait(settings.analysis.poll)
    finally:
        bell.close()


def _turn_by_celery(url: str, task: Task, work: Callable[[], int], stop: threading.Event) -> None:
    from celery import Celery, signals

    app = Celery("auscult", broker=url)
    app.conf.update(
        WAKE_UPS,
        # A hint that waits in this worker would wake no other.
        worker_prefetch_multiplier=1,
        accept_content=["json"],
        worker_consumer="worker.consumer:WakeUpConsumer",
        broker_connection_retry_on_startup=True,
        # A wake-up that was lost is repeated by the sweep; one that is redelivered much later is of no use.
        task_acks_late=False,
        worker_redirect_stdouts=False,
    )

    @app.task(name=f"worker.{task.value}")  # type: ignore[untyped-decorator]
    def wake_up() -> None:
        try:
            _attempt(work)
        except Exception as error:
            # Celery would write down what the error says, which may come from a data set. The sweep wakes again.
            log.exception("a wake-up for %s ended with %s", task.value, type(error).__name__)

    def keep_logging(**_: Any) -> None:
        """Being connected keeps Celery from setting up log lines of its own, with tracebacks."""

    def shutting_down(**_: Any) -> None:
        stop.set()

    signals.worker_shutting_down.connect(shutting_down)
    signals.setup_logging.connect(keep_logging)
    # CUDA and the kept associations never cross a fork: one process, no pool.
    app.worker_main(
        [
            "worker",
            "--pool=solo",
            f"--queues={task.value}",
            f"--hostname={task.value}-{os.getpid()}@%h",  # two workers of one name would answer for each other
            "--loglevel=WARNING",
            "--without-gossip",
            "--without-mingle",
        ]
    )


def _attempt(work: Callable[[], int]) -> None:
    try:
        work()
    except Unavailable as error:
        log.warning("work waits: %s", error)
