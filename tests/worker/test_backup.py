"""A copy made as docs/howto/back-up-and-restore.md says finishes the work: nothing lost, nothing sent twice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.ledger import Ledger, database
from service.ledger.admission import Registered
from service.objects import LocalStore
from service.settings import Settings
from tests import servers
from tests.documents import blocks
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


def test_a_restored_copy_finishes_the_work(gateway: Any, tmp_path: Path, program: Callable[[str], str]) -> None:
    for name in ("sqlite3", "rsync"):
        program(name)
    saving = _block("sqlite3").splitlines()
    (tmp_path / "backup").mkdir()
    (tmp_path / "auscult-data").symlink_to(tmp_path)
    run = _Shell(tmp_path, program("bash"))
    with CountingPacs() as pacs:
        made: Gateway = gateway(destination(pacs.port, ae_title="PACS"))
        _work(made)
        run(saving[0])
        made.receive(chest(5))  # between the two lines
        run(saving[1])
        made.ledger.engine.dispose()
        shutil.rmtree(made.settings.objects_dir)
        _require_that_it_finishes(made.settings.model_copy(update={"data_dir": tmp_path / "backup"}), made, pacs)


@pytest.mark.parametrize("in_containers", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "containers"])
def test_a_restored_copy_of_postgresql_finishes_the_work(
    gateway: Any, tmp_path: Path, program: Callable[[str], str], in_containers: bool
) -> None:
    for name in ("initdb", "pg_dump", "pg_restore", "createdb", "rsync", "tar"):
        program(name)
    saving = _block("docker compose exec -T postgres pg_dump" if in_containers else "pg_dump").splitlines()
    restoring = _block("docker compose up" if in_containers else "createdb")
    (tmp_path / "backup").mkdir()
    (tmp_path / "auscult-data").symlink_to(tmp_path)
    with (
        CountingPacs() as pacs,
        servers.postgres_cluster(("--auth=scram-sha-256",), "geheim/@:") as cluster,
        cluster.run() as postgres,
    ):
        (tmp_path / "password").write_text("geheim/@:\n")
        run = _Shell(tmp_path, program("bash"), _who_logs_in(tmp_path, postgres))
        run("createdb --host=db.example --username=auscult auscult")
        table = {"url": postgres.url("auscult"), "password_file": tmp_path / "password"}
        made: Gateway = gateway(destination(pacs.port, ae_title="PACS"), database=table)
        _work(made)
        run(saving[0])
        made.receive(chest(5))  # between the two lines
        run(saving[1])

        made.ledger.engine.dispose()
        shutil.rmtree(made.settings.objects_dir)
        run("dropdb --host=db.example --username=auscult auscult")
        if in_containers:
            run("createdb --username=auscult auscult")  # as the entry point of its image does at the first start
        run(restoring)
        if not in_containers:
            shutil.move(tmp_path / "backup" / "objects", made.settings.objects_dir)
        _require_that_it_finishes(made.settings, made, pacs)


def _block(start: str) -> str:
    (found,) = (block for block in blocks(HOW_TO) if block.startswith(start))
    return found


def _who_logs_in(folder: Path, postgres: servers.Postgres) -> dict[str, str]:
    """Return the variables by which PostgreSQL's programs find the server and know the password."""
    secret = folder / "pgpass"
    password = str(postgres.password).replace("\\", "\\\\").replace(":", "\\:")
    secret.write_text(f"127.0.0.1:{postgres.port}:*:auscult:{password}\n")
    secret.chmod(0o600)
    return {"PGPASSFILE": str(secret), "PGPORT": str(postgres.port), "PGHOST": "127.0.0.1"}


class _Shell:
    """Runs commands of the document here: `db.example` is this machine, and so is the inside of each container."""

    def __init__(self, folder: Path, bash: str, variables: Mapping[str, str] | None = None) -> None:
        self._folder, self._bash = folder, bash
        self._environment = {**os.environ, **(variables or {})}

    def __call__(self, commands: str) -> None:
        here = commands.replace("db.example", "127.0.0.1")
        here = re.sub(r"^docker compose up .*$", "", here, flags=re.MULTILINE)
        here = re.sub(r"docker compose run .*--entrypoint (\w+) \w+", r"\1", here)
        here = re.sub(r"docker compose exec -T \w+ ", "", here)
        here = here.replace("/var/lib/auscult", str(self._folder / "auscult-data"))
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
