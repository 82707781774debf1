"""What an auscult process of a test starts in its turn, forked from it: what `subprocess` is to the product's modules.

A supervisor's parts, and highdicom's process behind each worker that delivers, would else import everything again at
each start. What they run is ``python -m MODULE``, as everywhere.
"""

import multiprocessing.process
import os
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, TimeoutExpired

__all__ = ["DEVNULL", "Popen", "TimeoutExpired"]


class Popen:
    """A Python module as a process, with what the product asks of `subprocess.Popen`.

    Parameters
    ----------
    command
        The interpreter, ``-m``, a module and its arguments.
    env
        All that it finds in its environment; that of this process by default.
    stdin, stdout, stderr
        DEVNULL, or None for those of this process.
    start_new_session
        Whether a signal to this process's group does not reach it.
    pass_fds
        The handles, beside the three standard ones, that it keeps.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        start_new_session: bool = False,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self._command = command
        #: How it ended: its exit status, a signal as a negative number, or None while it runs.
        self.returncode: int | None = None
        for written in (sys.stdout, sys.stderr):
            written.flush()  # or both would write what waits
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                if start_new_session:
                    os.setsid()
                _keep(pass_fds, [n for n, chosen in enumerate((stdin, stdout, stderr)) if chosen == DEVNULL])
                status = _run(command, env)
            finally:
                os._exit(status)  # whatever happens, nothing of the process that it came from goes on in it

    def poll(self) -> int | None:
        """Return how it ended, or None while it runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has; `TimeoutExpired` when it has not within so many seconds."""
        begun = time.monotonic()
        while (ended := self.poll()) is None:
            if timeout is not None and time.monotonic() - begun > timeout:
                raise TimeoutExpired(self._command, timeout)
            time.sleep(0.02)
        return ended

    def terminate(self) -> None:
        """Send it SIGTERM, if it runs."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL, if it runs."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)


def _keep(handles: Sequence[int], nothing: Sequence[int]) -> None:
    """Let every handle but the standard ones and some others lead nowhere, and some of the standard ones.

    None is closed: what had it in the other process would close whatever has its number by then.
    """
    null = os.open(os.devnull, os.O_RDWR)
    given = [int(path.name) for path in Path("/proc/self/fd").iterdir()]
    for handle in (*nothing, *(handle for handle in given if handle > 2 and handle not in handles)):
        os.dup2(null, handle)


def _run(command: Sequence[str], env: Mapping[str, str] | None) -> int:
    """Run a module to its end; return the exit status."""
    _, _, module, *arguments = command
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    if env is not None:
        os.environ.clear()
        os.environ.update(env)
    # It has no parent that multiprocessing knows of.
    vars(multiprocessing.process)["_parent_process"] = None
    sys.argv = [module, *arguments]
    # By this name others find it, for its command line is that of the process that it came from.
    Path("/proc/self/comm").write_text(" ".join(arguments)[:15])
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - told as the interpreter does, and this process ends
        traceback.print_exc()
        return 1
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
