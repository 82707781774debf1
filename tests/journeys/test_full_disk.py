"""A disk that fills up: refused in time, nothing acknowledged is lost, and it goes on by itself when there is room."""

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from pydicom import Dataset

from tests import phantoms
from tests.invariants import Invariant
from tests.journeys.gateway import Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs

MIB = 1 << 20
#: Half of it is for reports, of which one image's take some 4 MiB.
RESERVE = 24 * MIB
PAGE = 4096


def _fill(path: Path, size: int) -> None:
    """Take space on the disk, or give it back: the file has this size afterwards."""
    with path.open("ab") as file:
        if file.tell() > size:
            file.truncate(size)
            return
        os.posix_fallocate(file.fileno(), 0, size)


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _all_acknowledged_are_there(running: Gateway, folder: Path, acknowledged: set[str]) -> None:
    inspection = running.ledger.inspection
    for uid in acknowledged:
        instance = inspection.instance(uid)
        assert instance is not None
        assert (
            folder / "objects" / instance.object_key[:2] / instance.object_key
        ).stat().st_size == instance.object_size


def _reported(pacs: CountingPacs, images: Iterable[Dataset]) -> list[int]:
    """Return how many reports of each image the archive holds."""
    return [len(pacs.of(dataset)) for dataset in images]


@pytest.mark.proves(Invariant.FULL_DISK_LOSES_NOTHING)
def test_objects_are_refused_before_the_disk_is_full_and_taken_again_when_there_is_room(
    small_disk: Path, tmp_path: Path, program: Callable[[str], str]
) -> None:
    data, folder = small_disk / "data", tmp_path / "images"
    data.mkdir()
    folder.mkdir()
    images = {}
    for number in range(8):
        dataset = phantoms.chest(number, rows=512, columns=512)
        images[folder / f"{number}.dcm"] = dataset
        phantoms.write(dataset, folder / f"{number}.dcm")
    (tmp_path / "gateway").mkdir()

    with (
        CountingPacs() as pacs,
        gateway(
            tmp_path / "gateway",
            [destination(pacs.port)],
            data_dir=str(data),
            listener={"minimum_free_bytes": RESERVE},
        ) as running,
    ):

        def send(path: Path) -> str:
            options = ["-v", "-xe", "-aet", "MODALITY", "-aec", "AUSCULT", "127.0.0.1", str(running.port)]
            command = [program("storescu"), *options, str(path)]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
            return "success" if "(Success)" in ran.stdout + ran.stderr else ran.stdout + ran.stderr

        # All is written that a start writes before the space is measured.
        first, *others = images
        assert send(first) == "success"
        running.wait_until_settled()
        _fill(small_disk / "filler", _free(small_disk) - RESERVE - 700 * 1024)
        answers = {first: "success"} | {path: send(path) for path in others}
        refusals = [answer for answer in answers.values() if answer != "success"]
        assert len(refusals) >= 5
        assert all("OutOfResources" in answer.replace(" ", "") for answer in refusals)
        acknowledged = [images[path] for path, answer in answers.items() if answer == "success"]
        assert len(acknowledged) >= 2

        running.wait_until_settled()
        assert _reported(pacs, acknowledged) == [3] * len(acknowledged), "the reserve is there for reports"
        assert _free(small_disk) > RESERVE / 2 - MIB, "and the ledger's part for the ledger"
        _all_acknowledged_are_there(running, data, {str(dataset.SOPInstanceUID) for dataset in acknowledged})

        (small_disk / "filler").unlink()
        assert [send(path) for path in images] == ["success"] * 8
        running.wait_until_settled()
        assert _reported(pacs, images.values()) == [3] * 8
        _all_acknowledged_are_there(running, data, {str(dataset.SOPInstanceUID) for dataset in images.values()})
        assert running.output().count("objects are refused with 0xA700") == 1
        assert running.output().count("objects are taken") == 1


@pytest.mark.proves(Invariant.FULL_DISK_LOSES_NOTHING)
def test_a_ledger_on_a_full_disk_survives_and_nothing_acknowledged_is_lost(small_disk: Path, tmp_path: Path) -> None:
    data = small_disk / "data"
    data.mkdir()
    (tmp_path / "gateway").mkdir()
    with gateway(tmp_path / "gateway", parts=["listen"], data_dir=str(data)) as running:
        images = [phantoms.chest(number, rows=16, columns=16) for number in range(14)]
        assert running.send(images[0]) == 0x0000
        statuses = {}
        for pages, dataset in enumerate(images[1:]):
            filler = small_disk / "filler"
            size = filler.stat().st_size if filler.exists() else 0
            _fill(filler, size + _free(small_disk) - pages * PAGE)
            statuses[str(dataset.SOPInstanceUID)] = running.send(dataset)
        assert set(statuses.values()) <= {0x0000, 0xA700}
        assert 0xA700 in statuses.values()
        running.kill("listen")

        filler.unlink()
        running.start("listen")
        running.wait_until_listening()
        _all_acknowledged_are_there(running, data, {uid for uid, status in statuses.items() if status == 0x0000})
        assert [running.send(dataset) for dataset in images] == [0x0000] * len(images)
        _all_acknowledged_are_there(running, data, {str(dataset.SOPInstanceUID) for dataset in images})
        connection = sqlite3.connect(data / "ledger.sqlite")
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
