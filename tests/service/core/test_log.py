"""What is written, and what never is."""

import subprocess
import sys

import pytest

PROGRAM = """
import logging, warnings
from service.core import log
log.configure("debug", "{style}")
warnings.warn("Invalid value for VR DA: 'Geheim'")
logging.getLogger("pydicom").warning("Geheim")
try:
    raise ValueError("Geheim")
except ValueError:
    log.get_logger("x").exception("it failed")
"""


@pytest.mark.parametrize("style", ["text", "json"])
def test_neither_a_librarys_warning_nor_an_exceptions_text_is_written(style: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(style=style)]
    written = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "Geheim" not in written.stdout + written.stderr
    assert "UserWarning at <string>:5" in written.stderr
    assert "ValueError" in written.stderr
