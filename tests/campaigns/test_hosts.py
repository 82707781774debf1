"""The crash campaign on several hosts, bounded; `make hosts` runs it at length."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import hosts
from tests.campaigns import clocks
from tests.invariants import Invariant

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.proves(Invariant.ANY_FAULT_IN_ANY_ORDER)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_storm_over_several_hosts_loses_no_image_and_doubles_no_report(
    program: Callable[[str], str], lack: Callable[[str], None], tmp_path: Path
) -> None:
    for name in ("storescu", "Orthanc", "redis-server", "postgres", "initdb"):
        program(name)
    if not hosts.are_possible() or clocks.LIBRARY is None:
        lack("several hosts need root, ip, iptables and libfaketime")
    # A program of its own: its processes are forked from a server that another campaign's have not begun.
    command = [sys.executable, "-m", "tests.campaigns.crash", "--mode", "hosts", "--keep", str(tmp_path)]
    command += ["--images", "15", "--faults", "20", "--pause", "1.2", "--seed", "3"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
