"""What C libraries print on standard error, which is where log lines go: it goes nowhere."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_STANDARD_ERROR = 2


@contextmanager
def silenced() -> Iterator[None]:
    """Keep what libraries write to file descriptor 2 from the log until the block ends; our own lines still come.

    The codecs print of unusual and of damaged frames, without a word on which image. What is to be known of one stands
    in the line that names it.
    """
    sys.stderr.flush()
    ours = os.fdopen(os.dup(_STANDARD_ERROR), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    before = sys.stderr
    if _is_standard_error(before):
        _move(before, ours)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STANDARD_ERROR)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(ours.fileno(), _STANDARD_ERROR)
        _move(ours, before)
        ours.close()


def _is_standard_error(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _STANDARD_ERROR
    except OSError:
        return False  # a test's


def _move(old: TextIO, new: TextIO) -> None:
    """Have everybody who writes to one stream write to another."""
    if sys.stderr is old:
        sys.stderr = new
    for logger in (logging.getLogger(), logging.getLogger("auscult")):
        for handler in logger.handlers:
            if isinstance(handler, logging.StreamHandler) and handler.stream is old:
                handler.setStream(new)
