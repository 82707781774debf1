"""auscult's commands as processes that start in a moment: forked from one that has imported everything already.

A test that starts, kills and starts again would else spend the machine on imports. What a process runs is
``python -m service.cli COMMAND``, as everywhere.
"""

import gc
import os
import random
import runpy
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

from service.cli.supervisor import PARENT

_PRELOADED = [
    "tests.campaigns.clocks",
    "celery.app.amqp",
    "celery.bin.worker",
    "celery.concurrency.solo",
    "celery.worker.consumer",
    "kombu.transport.redis",
    "service.cli.db",
    "service.cli.listen_hl7",
    "service.cli.look",
    "service.cli.serve",
    "service.cli.sweep",
    "service.cli.web",
    "service.report.making.files",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite",
    "worker.cli",
    "worker.delivery",
    "worker.engine",
    "worker.inference",
    "worker.network",
]
_CONTEXT = get_context("forkserver")
_REPOSITORY = Path(__file__).resolve().parents[1]


class Forked:
    """An `auscult` command in a process of its own, with what `subprocess.Popen` offers for it.

    Parameters
    ----------
    command
        The arguments of `auscult`.
    environment
        All that it finds in its environment.
    output, errors
        What its standard output and error are added to; both to one file by default.
    before
        Called in the new process, before the command begins.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: Path,
        errors: Path | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self._command = command
        errors = errors or output
        for path in (output, errors):
            path.touch(0o600)  # here: who reads it need not wait for the new process
        _CONTEXT.set_forkserver_preload(_PRELOADED)
        arguments = (command, dict(environment), output, errors, before)
        self._process = _CONTEXT.Process(target=_run, args=arguments)
        self._process.start()

    @property
    def pid(self) -> int:
        """The process id, also after its end."""
        return self._process.pid or 0

    @property
    def returncode(self) -> int | None:
        """How it ended: its exit status, a signal as a negative number, or None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return how it ended, or None while it runs."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has; `subprocess.TimeoutExpired` when it has not within so many seconds."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._command, timeout or 0.0)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to it, if it runs."""
        with suppress(ProcessLookupError):
            if self.poll() is None:
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send it SIGKILL, if it runs."""
        self.send_signal(signal.SIGKILL)


def _run(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: Path,
    errors: Path,
    before: Callable[[], None] | None,
) -> None:
    """Become an `auscult` command, in the new process."""
    gc.freeze()  # what was imported stays to the end
    for path, standard in ((output, 1), (errors, 2)):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.chdir(_REPOSITORY)
    os.environ.clear()
    # The fork server ends with the tests, and nothing outlives it.
    os.environ.update(environment, **{PARENT: str(os.getppid())})
    random.seed()
    if before is not None:
        before()
    sys.argv = ["auscult", *command]
    runpy.run_module("service.cli", run_name="__main__")
