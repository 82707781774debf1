"""What is written, and what never is."""

import subprocess
import sys

import pytest

from tests.invariants import Invariant

PROGRAM = """
import logging, threading, warnings
from service.process import log
log.configure("debug", "{style}")
warnings.warn("Invalid value for VR DA: 'Geheim'")
logging.getLogger("pydicom").warning("Geheim")
logging.getLogger("py.warnings").warning("Geheim")
try:
    raise ValueError("Geheim")
except ValueError:
    log.get_logger("x").exception("it failed")
    logging.getLogger("celery.worker.consumer").warning("the broker is gone", exc_info=True)
def fail():
    raise KeyError("Geheim")
thread = threading.Thread(target=fail, name="courier")
thread.start()
thread.join()
"""


@pytest.mark.proves(Invariant.NO_PATIENT_IN_LOGS)
@pytest.mark.parametrize("style", ["text", "json"])
def test_no_text_of_a_warning_or_an_exception_is_written_wherever_it_comes_from(style: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(style=style)]
    written = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Geheim" not in written.stdout + written.stderr
    assert "UserWarning at <string>:5" in written.stderr
    assert "thread courier ended: KeyError at <string>:14" in written.stderr
    assert written.stderr.count("ValueError") == 2
    assert "the broker is gone" in written.stderr
    assert "Traceback" not in written.stderr
