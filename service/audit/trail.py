"""Where audit messages go: a file, and a queue on the disk from which a thread brings them to the syslog server."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Concatenate, ParamSpec, Self

from service.audit.events import Node, application_activity
from service.audit.frame_queue import FrameQueue
from service.audit.message import AuditMessage
from service.audit.syslog import SyslogConnection, frame
from service.process.clock import Clock, utc_now
from service.process.log import get_logger
from service.settings import Settings
from service.texts import Sentence

log = get_logger(__name__)

_Arguments = ParamSpec("_Arguments")

#: Frames that are sent together: a connection that breaks repeats as many at most.
_BATCH = 64
_LOOK_S = 1.0
_RETRY_S = 10.0
#: Seconds between two lines of the log about a trail that fails.
_COMPLAIN_EVERY_S = 60.0
#: Age in seconds of a message that waits for the syslog server, above which something is amiss.
_LONG_S = 600.0


class AuditTrail:
    """Takes audit messages; a trail that fails is said in the log and stops nobody.

    The file is opened for appending, readable by its owner alone, and opened anew once somebody has moved it away.

    Attributes
    ----------
    node
        This application and this machine.
    """

    def __init__(self, settings: Settings, clock: Clock = utc_now) -> None:
        self._settings = settings.audit
        self._path = settings.audit_file
        self._queue = queue_of(settings) if settings.audit.syslog_host is not None else None
        self._clock = clock
        self.node = Node(settings.listener.ae_title, socket.gethostname())
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._complained = -_COMPLAIN_EVERY_S
        self._stop = threading.Event()
        self._shipper: threading.Thread | None = None

    def note(
        self,
        build: Callable[Concatenate[datetime, _Arguments], AuditMessage],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> None:
        """Record an event that happens now; `build` is one of `service.audit.events`. Never raises."""
        try:
            now = self._clock()
            message = build(now, *args, **kwargs)
            self._record(message.xml(self._settings.source, self._settings.site), now)
        except Exception as error:  # noqa: BLE001 - reception and delivery go on; a person is told below
            self._complain(error)

    def _record(self, xml: bytes, at: datetime) -> None:
        failure: OSError | None = None
        try:
            with self._lock:
                self._append(xml + b"\n")
        except OSError as error:
            failure = error
        # Also where the file could not be written: one of the two places may still be told.
        if self._queue is not None:
            self._queue.put(frame(xml, at, os.getpid()))
        if failure is not None:
            raise failure

    def _append(self, line: bytes) -> None:
        if self._descriptor is None or self._is_moved(self._descriptor):
            self._close()
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        # One call: on a local disk the lines of several processes never mingle.
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise OSError("the disk took a part of an audit message")
        if self._settings.fsync:
            os.fsync(self._descriptor)

    def _is_moved(self, descriptor: int) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return True
        ours = os.fstat(descriptor)
        return (found.st_dev, found.st_ino) != (ours.st_dev, ours.st_ino)

    def _complain(self, error: Exception) -> None:
        if time.monotonic() - self._complained > _COMPLAIN_EVERY_S:
            self._complained = time.monotonic()
            # The text of an OSError is the system's or ours; any other may quote a value.
            reason = (error.strerror or str(error)) if isinstance(error, OSError) else type(error).__name__
            log.error("the audit trail fails: %s; check `audit.*` and its disk", reason)

    @contextmanager
    def activity(self, process: str) -> Iterator[None]:
        """Note that a process starts and, at the end of the block, that it stops."""
        self.note(application_activity, self.node, process=process, starts=True)
        try:
            yield
        finally:
            self.note(application_activity, self.node, process=process, starts=False)

    def start(self) -> None:
        """Bring what waits to the syslog server, in a thread of its own, until `close`."""
        if self._queue is not None:
            self._shipper = threading.Thread(target=self._ship, args=(self._queue,), name="audit", daemon=True)
            self._shipper.start()

    def _ship(self, queue: FrameQueue) -> None:
        while not self._stop.is_set():
            try:
                with queue.held() as ours:
                    if ours and queue.waiting():
                        self._send(queue)
            except OSError as error:
                self._complain(error)
                self._stop.wait(_RETRY_S)
            self._stop.wait(_LOOK_S)

    def _send(self, queue: FrameQueue) -> None:
        with SyslogConnection(self._settings) as connection:
            while (waiting := queue.waiting()) and not self._stop.is_set():
                connection.send([path.read_bytes() for path in waiting[:_BATCH]])
                # Behind the sending: a crash in between sends some twice, and none never.
                for path in waiting[:_BATCH]:
                    path.unlink()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def close(self) -> None:
        """End the thread and close the file; what waits is sent by another process, or after the next start."""
        self._stop.set()
        if self._shipper is not None:
            self._shipper.join()
        with self._lock:
            self._close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def queue_of(settings: Settings) -> FrameQueue:
    """Return what waits for the syslog server on this machine."""
    return FrameQueue(settings.audit_spool, settings.audit.maximum_waiting)


def examine(settings: Settings) -> Sentence | None:
    """Return what is wrong with the audit trail on this machine, or None."""
    path = settings.audit_file
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        return Sentence("trouble.audit_not_written", file=path)
    if os.statvfs(folder).f_bavail == 0:
        return Sentence("trouble.audit_disk_full", file=path)
    if settings.audit.syslog_host is None:
        return None
    waiting = queue_of(settings).waiting()
    age = time.time() - int(waiting[0].name.partition("-")[0]) / 1e9 if waiting else 0.0
    if age > _LONG_S or len(waiting) >= settings.audit.maximum_waiting:
        return Sentence("trouble.audit_waits", count=len(waiting), seconds=round(age))
    return None
