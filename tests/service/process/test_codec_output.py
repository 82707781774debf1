"""What codecs print does not come between the lines of the log."""

import subprocess
import sys

_PROGRAM = """
import os, sys
from service.process import log
from service.process.codec_output import silenced
log.configure("info", "text")
logger = log.get_logger("test")
os.write(2, b"before\\n")
with silenced():
    os.write(2, b"Unsupported JPEG data precision 12\\n")
    logger.info("a line of ours")
    print("a warning of Python's", file=sys.stderr)
os.write(2, b"after\\n")
logger.info("another line of ours")
"""


def test_what_a_library_writes_to_standard_error_goes_and_our_own_lines_stay() -> None:
    ran = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    lines = [line.rpartition(": ")[2] for line in ran.stderr.splitlines()]
    assert lines == ["before", "a line of ours", "a warning of Python's", "after", "another line of ours"]
