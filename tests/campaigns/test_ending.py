"""A campaign that is ended before its time leaves no process behind."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import wait_until

ROOT = Path(__file__).resolve().parents[2]


def descendants(pid: int) -> dict[int, str]:
    """Return the command of each process that a process has started, or what it started has."""
    parents, commands = {}, {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            commands[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended meanwhile
    found: dict[int, str] = {}
    left = [pid]
    while left:
        parent = left.pop()
        children = [child for child, its_parent in parents.items() if its_parent == parent and child in commands]
        found |= {child: commands[child] for child in children}
        left += children
    return found


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_campaign_that_is_ended_by_sigterm_ends_its_servers(program: Callable[[str], str], tmp_path: Path) -> None:
    for name in ("Orthanc", "redis-server", "initdb"):
        program(name)
    command = [sys.executable, "-m", "tests.campaigns.crash", "--mode", "celery", "--images", "2", "--pause", "60"]
    with (tmp_path / "log").open("wb") as log:
        campaign = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        for server in ("redis-server", "postgres", "Orthanc", "forkserver"):
            wait_until(
                lambda server=server: any(server in line for line in descendants(campaign.pid).values()),  # type: ignore[misc]
                f"{server} runs",
                120,
                0.2,
            )
        started = descendants(campaign.pid)
        campaign.send_signal(signal.SIGTERM)
        assert campaign.wait(60) == 128 + signal.SIGTERM, (tmp_path / "log").read_text()
        wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started), "nothing is left", 20, 0.2)
    finally:
        campaign.kill()
        campaign.wait(10)
