"""Structured log lines on standard error; never patient data."""

import json
import logging
import sys
import threading
import time
import warnings
from types import TracebackType
from typing import TextIO


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module, under the `auscult` root."""
    return logging.getLogger(f"auscult.{name}")


class _JsonLines(logging.Formatter):
    """One JSON object a line, for log collectors."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line = {"time": stamp, "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            # The type alone: an exception's text or a traceback's values may come from a data set.
            line["exception"] = record.exc_info[0].__name__
        return json.dumps(line, ensure_ascii=False)


class _TextLines(logging.Formatter):
    """One readable line an event, for a terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatException(self, ei: object) -> str:
        exception_type = ei[0] if isinstance(ei, tuple) else None
        return getattr(exception_type, "__name__", "")


def configure(level: str, style: str) -> None:
    """Send log lines, auscult's and what libraries warn of, to standard error.

    Parameters
    ----------
    level
        A level name of `logging`, in any case.
    style
        ``"text"`` or ``"json"``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if style == "json" else _TextLines())
    root = logging.getLogger("auscult")
    root.handlers = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    # What a library warns of, as Celery when its broker goes away, reads like a line of ours: without a traceback.
    libraries = logging.getLogger()
    libraries.handlers = [handler]
    libraries.setLevel(logging.WARNING)
    # These quote attribute values, in log lines or in warnings, which Celery turns into lines of `py.warnings`.
    for library in ("pydicom", "pynetdicom", "highdicom", "py.warnings"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    # By default Python remembers every text that was warned of, for as long as the process lives.
    warnings.simplefilter("always")
    warnings.showwarning = _tell_of_warning
    threading.excepthook = _tell_of_ended_thread


def _tell_of_warning(
    message: Warning | str,  # noqa: ARG001 - what must not be told
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - the signature of `warnings.showwarning`
    line: str | None = None,  # noqa: ARG001
) -> None:
    """Say that a library warned, and where; what it said may hold patient data."""
    logging.getLogger("auscult").debug("%s at %s:%d", category.__name__, filename, lineno)


def _tell_of_ended_thread(ended: threading.ExceptHookArgs) -> None:
    """Say that an error ended a thread, a library's own as a rule, and where; its text may hold patient data."""
    name = ended.thread.name if ended.thread else "?"
    logging.getLogger("auscult").error("thread %s ended: %s", name, origin(ended.exc_type, ended.exc_traceback))


def origin(kind: type[BaseException], trace: TracebackType | None) -> str:
    """Say what kind of error was raised and where, and nothing that it says."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{kind.__name__}{where}"
