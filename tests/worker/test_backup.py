"""A copy made as docs/howto/back-up-and-restore.md says finishes the work: nothing lost, nothing sent twice."""

from __future__ import annotations

import re
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any

from service.core import database
from service.core.ledger import Ledger
from service.core.store import LocalStore
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.worker.conftest import Gateway, destination

HOW_TO = Path(__file__).parents[2] / "docs" / "howto" / "back-up-and-restore.md"


def _deliver(made: Gateway) -> None:
    courier = made.courier()
    while courier.step():
        made.clock.now += timedelta(seconds=made.settings.delivery.confirm_after)
    courier.close()


def test_a_restored_copy_finishes_the_work(gateway: Any, tmp_path: Path) -> None:
    with CountingPacs() as pacs:
        made: Gateway = gateway(destination(pacs.port, ae_title="PACS"))
        for seed in (1, 2):  # delivered
            made.receive(chest(seed))
        made.infer()
        made.build()
        _deliver(made)
        made.receive(chest(3))  # its reports wait to be sent
        made.infer()
        made.build()
        made.receive(chest(4))  # waits for its analysis

        backup = tmp_path / "backup"
        backup.mkdir()
        (statement,) = re.findall(r"VACUUM INTO '([^']+)'", HOW_TO.read_text())
        connection = sqlite3.connect(tmp_path / "ledger.sqlite")
        connection.execute(f"VACUUM INTO '{tmp_path / statement}'")
        connection.close()
        shutil.copytree(made.settings.objects_dir, backup / "objects", ignore=shutil.ignore_patterns("incoming"))
        made.ledger.engine.dispose()
        shutil.rmtree(made.settings.objects_dir)

        restored = made.settings.model_copy(update={"data_dir": backup})
        engine = database.connect(restored.database_url)
        again = Gateway(restored, Ledger(engine, clock=made.clock), LocalStore(restored.objects_dir), made.clock)
        again.infer()
        again.build()
        _deliver(again)

        assert [row.state for row in again.instances] == ["delivered"] * 4
        assert sorted(len(pacs.of(chest(seed))) for seed in (1, 2, 3, 4)) == [3, 3, 3, 3]
        assert all(len(digests) == 1 for digests in pacs.digests.values())
        engine.dispose()
