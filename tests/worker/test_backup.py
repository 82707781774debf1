"""A copy made as docs/howto/back-up-and-restore.md says finishes the work: nothing lost, nothing sent twice."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg

from service.core import database
from service.core.ledger import Ledger
from service.core.ledger.admission import Registered
from service.core.settings import Settings
from service.core.store import LocalStore
from tests import servers
from tests.documents import DOCS, blocks
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.worker.conftest import Gateway, destination

HOW_TO = "howto/back-up-and-restore.md"


def _deliver(made: Gateway) -> None:
    courier = made.courier()
    while courier.step():
        made.clock.now += timedelta(seconds=made.settings.delivery.confirm_after)
    courier.close()


def _work(made: Gateway) -> None:
    """Bring images to each of the stages that a copy can find them at."""
    for seed in (1, 2):  # delivered
        made.receive(chest(seed))
    made.infer()
    made.build()
    _deliver(made)
    made.receive(chest(3))  # its reports wait to be sent
    made.infer()
    made.build()
    made.receive(chest(4))  # waits for its analysis


def _require_that_it_finishes(restored: Settings, made: Gateway, pacs: CountingPacs) -> None:
    """Go on with the copy; an image that it knows nothing of is sent again."""
    engine = database.connect(restored.database_url)
    again = Gateway(restored, Ledger(engine, clock=made.clock), LocalStore(restored.objects_dir), made.clock)
    assert again.receive(chest(5)).registered is Registered.NEW
    again.infer()
    again.build()
    _deliver(again)

    assert [row.state for row in again.instances] == ["delivered"] * 5
    assert [len(pacs.of(chest(seed))) for seed in (1, 2, 3, 4, 5)] == [3] * 5
    assert all(len(digests) == 1 for digests in pacs.digests.values())
    again.trail.close()
    engine.dispose()


def test_a_restored_copy_finishes_the_work(gateway: Any, tmp_path: Path) -> None:
    with CountingPacs() as pacs:
        made: Gateway = gateway(destination(pacs.port, ae_title="PACS"))
        _work(made)
        backup = tmp_path / "backup"
        backup.mkdir()
        (statement,) = re.findall(r"VACUUM INTO '([^']+)'", (DOCS / HOW_TO).read_text())
        connection = sqlite3.connect(tmp_path / "ledger.sqlite")
        connection.execute(f"VACUUM INTO '{tmp_path / statement}'")
        connection.close()
        made.receive(chest(5))  # between the two lines
        shutil.copytree(made.settings.objects_dir, backup / "objects", ignore=shutil.ignore_patterns("incoming"))
        made.ledger.engine.dispose()
        shutil.rmtree(made.settings.objects_dir)
        _require_that_it_finishes(made.settings.model_copy(update={"data_dir": backup}), made, pacs)


def test_a_restored_copy_of_postgresql_finishes_the_work(
    gateway: Any, tmp_path: Path, program: Callable[[str], str]
) -> None:
    for name in ("initdb", "pg_dump", "pg_restore", "createdb"):
        program(name)
    saving = next(block for block in blocks(HOW_TO) if block.startswith("pg_dump")).splitlines()
    restoring = next(block for block in blocks(HOW_TO) if block.startswith("createdb"))
    (tmp_path / "backup").mkdir()
    (tmp_path / "auscult-data").symlink_to(tmp_path)
    with (
        CountingPacs() as pacs,
        servers.postgres_cluster(("--auth=scram-sha-256",), "geheim/@:") as cluster,
        cluster.run() as postgres,
    ):
        (tmp_path / "password").write_text("geheim/@:\n")
        run = _Shell(tmp_path, postgres, program("bash"))
        run("createdb --host=db.example --username=auscult auscult")
        table = {"url": postgres.url("auscult"), "password_file": tmp_path / "password"}
        made: Gateway = gateway(destination(pacs.port, ae_title="PACS"), database=table)
        _work(made)
        run(saving[0])
        made.receive(chest(5))  # between the two lines
        run(saving[1])

        made.ledger.engine.dispose()
        shutil.rmtree(made.settings.objects_dir)
        with psycopg.connect(f"{run.server}/postgres", password=postgres.password, autocommit=True) as connection:
            connection.execute("DROP DATABASE auscult")
        run(restoring)
        shutil.move(tmp_path / "backup" / "objects", made.settings.objects_dir)
        _require_that_it_finishes(made.settings, made, pacs)


class _Shell:
    """Runs commands of the document where `db.example` is a server of this machine; it knows the password by a file."""

    def __init__(self, folder: Path, postgres: servers.Postgres, bash: str) -> None:
        self._folder, self._bash = folder, bash
        self.server = postgres.url().replace("+psycopg", "").rpartition("/")[0]
        secret = folder / "pgpass"
        password = str(postgres.password).replace("\\", "\\\\").replace(":", "\\:")
        secret.write_text(f"127.0.0.1:{postgres.port}:*:auscult:{password}\n")
        secret.chmod(0o600)
        self._environment = {**os.environ, "PGPASSFILE": str(secret), "PGPORT": str(postgres.port)}

    def __call__(self, commands: str) -> None:
        here = commands.replace("db.example", "127.0.0.1")
        if servers.find_program("rsync") is None:
            here = here.replace("rsync -a --exclude incoming", "cp -a")  # nothing arrives meanwhile
        ran = subprocess.run(
            [self._bash, "-euc", here],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
