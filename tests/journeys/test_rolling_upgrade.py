"""An earlier version's processes and this one's side by side on one ledger, while images arrive."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from tests.invariants import Invariant
from tests.journeys.gateway import PARTS, REPOSITORY, Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.servers import wait_until

#: The last commit whose tables are those of 0.1.0; this version's are three migrations further.
EARLIER = "cb83037762a5a27ad6e6b7d0ede31a9b8c2b475d"
WORKERS = ("work infer", "work deliver")
#: Nobody is killed here, and two workers that are slow would take one image from each other again and again.
LEASE = {"lease": 30.0}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source of an earlier version."""
    archive = subprocess.run(["git", "archive", EARLIER], cwd=REPOSITORY, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip("the history does not reach back to the earlier version, as in a shallow clone or an archive")
    tree = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
        files.extractall(tree, filter="data")
    return tree


def _start(running: Gateway, part: str, tree: Path) -> None:
    """Start a part of the earlier version, with settings that it knows."""
    settings = (running.folder / "auscult.toml").read_text()
    known = settings.replace('unlike_training = "ignore"\n', "")
    (running.folder / "earlier.toml").write_text(known)
    variables = {"AUSCULT_CONFIG": str(running.folder / "earlier.toml")}
    running.start(part, name=f"earlier {part}", variables=variables, tree=tree)


@pytest.mark.proves(Invariant.ROLLING_UPGRADE)
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_earlier_version_goes_on_while_the_tables_and_then_its_processes_are_replaced_one_by_one(
    tmp_path: Path, postgres_url: str, earlier: Path
) -> None:
    number = 700

    def send_one() -> None:
        nonlocal number
        number += 1
        source = chest(number)
        assert running.send(source) == 0x0000
        # Not in the ledger, whose tables may not be this version's yet.
        wait_until(lambda: len(pacs.of(source)) == 3, "its reports are in the archive", 60)

    with (
        CountingPacs() as pacs,
        gateway(
            *(tmp_path, [destination(pacs.port)]), parts=(), database_url=postgres_url, analysis=LEASE, delivery=LEASE
        ) as running,
    ):
        running.auscult("db", "downgrade", "0001", "--yes")
        for part in PARTS:
            _start(running, part, earlier)
        running.wait_until_listening()
        send_one()

        running.auscult("db", "upgrade")
        send_one()  # by the earlier version alone, on this version's tables

        for part in WORKERS:
            running.start(part)
            log = tmp_path / f"{part.replace(' ', '-')}.log"
            wait_until(lambda log=log: "worker ready" in log.read_text(), f"{part} is ready", 90)  # type: ignore[misc]
        for _ in range(4):
            send_one()  # by whichever of them is first
        for part in WORKERS:
            assert running.stop(f"earlier {part}") == 0
        send_one()

        assert running.stop("earlier listen") == 0
        running.start("listen")
        running.wait_until_listening()
        send_one()
        assert running.stop("earlier sweep") == 0
        running.start("sweep")
        send_one()

        running.wait_until_settled()
        _start(running, "sweep", earlier)  # the one that is too late
        assert running.processes["earlier sweep"].wait(30) != 0
        assert "the ledger's tables are not of this version" in (tmp_path / "earlier-sweep.log").read_text()
        assert all(len(digests) == 1 for digests in pacs.digests.values()), "nothing was sent twice"
        assert len(pacs.digests) == 3 * (number - 700)
