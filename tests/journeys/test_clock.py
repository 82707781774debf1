"""A machine whose clock is set while auscult runs, as libfaketime sets it: pauses keep their length, and it is told."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.ledger import DueDelivery, Ledger
from service.ledger.database import connect
from service.vocabulary.states import DeliveryState
from tests.campaigns.clocks import LIBRARY, Clock
from tests.journeys.gateway import destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.servers import redis_server, wait_until
from tests.service.sample_site import LEASE, SampleSite

AHEAD = timedelta(hours=2)

pytestmark = pytest.mark.skipif(
    LIBRARY is None and os.environ.get("AUSCULT_TEST_REQUIRE_ALL") != "1", reason="libfaketime is not installed"
)


@contextmanager
def sweeping(folder: Path, offset: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `auscult sweep` on a clock that differs by what a file says."""
    environment = os.environ | {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "AUSCULT_DATA_DIR": str(folder),
        "AUSCULT_SWEEP__INTERVAL": "0.3",
    }
    command = [str(Path(sys.executable).parent / "auscult"), "sweep"]
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def put_off(site: SampleSite) -> DueDelivery:
    """Have a report of the site's put off by five seconds."""
    site.receive()
    site.infer(0.1)
    site.report("pacs")
    (due,) = site.ledger.outbox.claim("courier", "pacs", DeliveryState.PENDING, 1, LEASE)
    site.ledger.outbox.save_retry(due, site.now + timedelta(seconds=5), 0xA700, "out of resources")
    return due


@pytest.mark.parametrize("ahead", [AHEAD, -AHEAD], ids=["set back", "set forward"])
def test_a_clock_that_is_set_right_delays_no_report_and_is_told(ahead: timedelta, tmp_path: Path) -> None:
    site, offset = SampleSite(tmp_path / "data"), tmp_path / "offset"
    site.now = datetime.now(UTC) + ahead
    put_off(site)
    offset.write_text(f"{ahead.total_seconds():+.0f}\n")
    ledger = Ledger(connect(site.settings.database_url))
    with sweeping(site.settings.data_dir, offset) as process:
        wait_until(site.settings.heartbeat_dir.exists, "the sweep works", 30)
        time.sleep(1)
        offset.write_text("+0\n")

        def is_told() -> bool:
            assert process.poll() is None
            return bool(ledger.timekeeping.view().steps)

        wait_until(is_told, "the sweep has noticed", 60)
        wait_until(
            lambda: (
                (ledger.outbox.next_due("pacs") or datetime.max.replace(tzinfo=UTC))
                < datetime.now(UTC) + timedelta(seconds=10)
            ),
            "the report is due in time",
            30,
        )
    ((_, step),) = ledger.timekeeping.view().steps
    assert step.seconds == pytest.approx(-ahead.total_seconds(), abs=5)
    assert ("back" if ahead > timedelta(0) else "forward") in str(ledger.timekeeping.view())
    ledger.engine.dispose()
    site.close()


@pytest.mark.slow
def test_a_worker_on_a_machine_whose_clock_is_hours_ahead_heeds_wake_ups(
    program: Callable[[str], str], tmp_path: Path
) -> None:
    program("redis-server")
    source = chest(970, rows=208, columns=200)
    (tmp_path / "gateway").mkdir()
    with (
        redis_server(tmp_path) as url,
        CountingPacs() as pacs,
        gateway(
            tmp_path / "gateway",
            [destination(pacs.port)],
            parts=("listen", "work deliver", "sweep"),
            redis_url=url,
        ) as running,
    ):
        clock = Clock(tmp_path / "clock")
        clock.set(AHEAD.total_seconds())
        running.start("work infer", wrapper=["env", f"LD_PRELOAD={LIBRARY}"], variables=clock.variables)
        assert running.send(source) == 0x0000
        running.wait_until_settled(90)
        assert len(pacs.of(source)) == 3
