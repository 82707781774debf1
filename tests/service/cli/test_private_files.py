"""What names patients is kept from the machine's other users, whatever the folder's mode; `doctor` looks."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result

from service.ledger.database import connect, writing
from service.ledger.migration import upgrade
from service.ledger.records import StudyRecord
from service.objects import LocalStore
from service.process.clock import utc_now
from service.process.heartbeat import Heartbeat
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]


@pytest.fixture
def generous() -> Iterator[None]:
    """Let every process read and write what is made without a mode of its own."""
    before = os.umask(0)
    yield
    os.umask(before)


def _modes(folder: Path) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in found}


@pytest.mark.usefixtures("generous")
def test_every_file_is_its_owner_s_alone_in_a_folder_that_is_open(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o777)
    url = f"sqlite:///{data / 'ledger.sqlite'}"
    upgrade(url)
    engine = connect(url)
    now = utc_now()
    with writing(engine) as session:
        session.add(StudyRecord(study_instance_uid="1.2.3", first_received_at=now, reading_rank_at=now))
    store = LocalStore(data / "objects")
    store.put(b"a report")
    incoming = store.begin()
    Heartbeat(data / "alive", "listen")
    modes = _modes(data)
    assert {"ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"} <= set(modes)
    assert len(modes) == 6
    assert set(modes.values()) == {"0o600"}
    incoming.discard()
    engine.dispose()


def _finding(auscult: Auscult, name: str) -> tuple[bool, str]:
    (found,) = [item for item in json.loads(auscult("doctor", "--json").output) if item["name"] == name]
    return found["passed"], found["message"]


def test_doctor_finds_a_ledger_that_other_users_read(site: SampleSite, auscult: Auscult) -> None:
    site.folder.chmod(0o755)
    ledger = site.folder / "ledger.sqlite"
    ledger.chmod(0o644)
    passed, message = _finding(auscult, "file modes")
    assert not passed
    assert str(ledger) in message
    assert f"chmod -R go= {site.folder}" in message
    site.folder.chmod(0o700)  # what nobody comes to may be open
    assert _finding(auscult, "file modes")[0]


def test_doctor_finds_a_folder_in_which_everybody_replaces_files(site: SampleSite, auscult: Auscult) -> None:
    site.folder.chmod(0o777)
    passed, message = _finding(auscult, "file modes")
    assert not passed
    assert str(site.folder) in message


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a file to another user")
def test_doctor_finds_a_file_that_another_user_owns(site: SampleSite, auscult: Auscult) -> None:
    os.chown(site.folder / "ledger.sqlite", 12345, -1)
    passed, message = _finding(auscult, "file owner")
    assert not passed
    assert "ledger.sqlite belongs to another user than root" in message
    assert "chown -R" in message
