"""Broken messages and broken objects, bounded; `make fuzz` sends as many as one likes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaigns import fuzz, fuzz_hl7
from tests.invariants import Invariant

ROOT = Path(__file__).resolve().parents[2]
#: AUSCULT_FUZZ_NUMBER asks for more.
NUMBER = int(os.environ.get("AUSCULT_FUZZ_NUMBER", "20000"))


def assert_nobody_suffers(number: int, folder: Path) -> None:
    outcome = fuzz.run(number, 1, folder)
    print(outcome.text())  # noqa: T201 - what `pytest -rP` shows
    assert outcome.wrong == []
    assert len(outcome.findings.statuses) >= 3


def assert_each_object_ends_in_a_state(number: int) -> None:
    # In a process of its own: a codec that crashes takes its process along.
    command = [sys.executable, "-W", "ignore", "-m", "tests.campaigns.objects", str(number), "1"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert ran.returncode == 0, f"{ran.returncode}\n{ran.stdout[-4000:]}\n{ran.stderr[-2000:]}"


@pytest.mark.proves(Invariant.NO_PEER_HOLDS_UP_OTHERS)
def test_broken_messages_leave_the_listener_as_it_was_and_others_served(tmp_path: Path) -> None:
    assert_nobody_suffers(150, tmp_path)


@pytest.mark.proves(Invariant.BAD_OBJECT_HAS_A_STATE)
def test_broken_objects_end_in_a_state_that_has_a_name() -> None:
    assert_each_object_ends_in_a_state(24)


@pytest.mark.proves(Invariant.NO_PEER_HOLDS_UP_OTHERS)
def test_broken_messages_of_hl7_leave_its_listener_as_it_was_and_others_served(tmp_path: Path) -> None:
    outcome = fuzz_hl7.run(150, 1, tmp_path)
    assert outcome.wrong == []
    assert {"AA", "AR"} <= set(outcome.answers)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_broken_messages_leave_the_listener_as_it_was_and_others_served(tmp_path: Path) -> None:
    assert_nobody_suffers(NUMBER, tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_broken_objects_end_in_a_state_that_has_a_name() -> None:
    assert_each_object_ends_in_a_state(NUMBER // 20)
