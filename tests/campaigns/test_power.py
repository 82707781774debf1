"""A file system that forgets what was not flushed holds each acknowledged image; without fsync it does not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.campaigns import power
from tests.invariants import Invariant

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def needed(program: Callable[[str], str]) -> None:
    program("mkfs.ext4")
    if os.geteuid() != 0 or not power.EATMYDATA.is_file() or not Path("/dev/loop-control").exists():
        reason = "a power failure needs root, loop devices, and libeatmydata1 for its control"
        (pytest.fail if os.environ.get("AUSCULT_TEST_REQUIRE_ALL") == "1" else pytest.skip)(reason)


@pytest.mark.proves(Invariant.DURABLE_BEFORE_ACKNOWLEDGED)
def test_no_acknowledged_image_is_lost_to_a_power_failure(tmp_path: Path) -> None:
    outcome = power.run(5, 1, tmp_path)
    assert (outcome.cuts, outcome.lost) == (5, [])
    assert len(outcome.acknowledged) >= 5


@pytest.mark.proves(Invariant.DURABLE_BEFORE_ACKNOWLEDGED)
def test_a_listener_whose_fsync_does_nothing_is_found_out(tmp_path: Path) -> None:
    assert power.run(5, 1, tmp_path, power.EATMYDATA).lost
