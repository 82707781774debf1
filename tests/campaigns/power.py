"""The power failure campaign: the file system forgets all that was not flushed while images stream in.

``python -m tests.campaigns.power --help``; `make power` runs it. Object store and ledger lie on ext4 on a loop device,
whose shutdown (FS_IOC_GOINGDOWN without a flush of its log) drops what the page cache and the journal had not written.
"""

import argparse
import fcntl
import hashlib
import os
import random
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.demo.forwarding import forward
from service.ledger.database import connect
from service.ledger.migration import upgrade
from service.ledger.records import InstanceRecord
from service.objects.local import LocalStore
from service.vocabulary.errors import AuscultError
from tests.campaigns.ending import end_in_order
from tests.phantoms import chest
from tests.servers import free_port, listens, wait_until

#: linux/fs.h: FS_IOC_SHUTDOWN, as XFS named it; and its flag for a log that is not flushed.
_GOINGDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
_DISK_BYTES = 512 * 1024**2
#: What makes fsync and its like do nothing: the control, which must lose something.
EATMYDATA = Path("/usr/lib/x86_64-linux-gnu/libeatmydata.so")


@dataclass
class Outcome:
    """What a campaign found."""

    cuts: int = 0
    acknowledged: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it in words."""
        return f"{self.cuts} cuts, {len(self.acknowledged)} images acknowledged, {len(self.lost)} of them lost"


@dataclass(frozen=True)
class Disk:
    """A file system in a file, whose power can be cut."""

    image: Path
    mount: Path

    def cut(self) -> None:
        """Forget what was not flushed; nothing can be written from here on."""
        descriptor = os.open(self.mount, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _GOINGDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    @contextmanager
    def mounted(self) -> Iterator[Path]:
        """Mount it, as at a start of the machine, which replays its journal."""
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.mount)], check=True, capture_output=True)
        try:
            yield self.mount / "data"
        finally:
            subprocess.run(["umount", str(self.mount)], check=True, capture_output=True)
            # A program that makes itself a mount namespace, as an engine for containers does, has a copy of this mount
            # until it ends. As long the kernel forgets nothing: the next mount would be of the file system that was
            # cut.
            wait_until(self._is_forgotten, "no other mount namespace holds the disk", 120)

    def _is_forgotten(self) -> bool:
        listed = subprocess.run(["losetup", "-j", str(self.image)], check=True, capture_output=True)
        return not listed.stdout


def make_disk(folder: Path) -> Disk:
    """Make a disk with an empty ledger on it."""
    disk = Disk(folder / "disk", folder / "mount")
    disk.mount.mkdir()
    with disk.image.open("wb") as image:
        image.truncate(_DISK_BYTES)
    subprocess.run(["mkfs.ext4", "-q", str(disk.image)], check=True, capture_output=True)
    with disk.mounted() as data:
        data.mkdir(mode=0o700)
        upgrade(f"sqlite:///{data / 'ledger.sqlite'}")
        os.sync()
    return disk


def run(cuts: int, seed: int, folder: Path, preload: Path | None = None) -> Outcome:
    """Cut the power so many times; `preload` is a library that each listener loads before all others."""
    chance, outcome, disk = random.Random(seed), Outcome(), make_disk(folder)
    for number in range(cuts):
        with disk.mounted() as data:
            outcome.acknowledged += _stream_until_cut(disk, data, chance, number, folder, preload)
        outcome.cuts += 1
        with disk.mounted() as data:
            outcome.lost = _lost(data, outcome.acknowledged)
        if outcome.lost and preload is not None:
            break  # the control has shown what it is for
    return outcome


def _stream_until_cut(
    disk: Disk, data: Path, chance: random.Random, number: int, folder: Path, preload: Path | None
) -> list[str]:
    """Send images to a listener, cut the power some time after the first was acknowledged; return which were."""
    port, acknowledged, first = free_port(), [], threading.Event()

    def images() -> Iterator[Dataset]:
        for seed in range(10_000):
            yield chest(1_000_000 + 10_000 * number + seed, rows=64, columns=64)

    def send() -> None:
        with suppress(AuscultError):
            for item in forward(images(), "127.0.0.1", port, "AUSCULT", "MODALITY"):
                if not item.acknowledged:
                    return
                acknowledged.append(str(item.dataset.SOPInstanceUID))
                first.set()

    with (folder / "listen.log").open("ab") as log:
        command = [sys.executable, "-m", "service.cli", "listen"]
        listener = subprocess.Popen(command, env=_environment(data, port, preload), cwd=folder, stdout=log, stderr=log)
    try:
        wait_until(lambda: listens(port), "the listener listens", 60)
        sender = threading.Thread(target=send)
        sender.start()
        assert first.wait(60), "nothing was acknowledged"
        time.sleep(chance.uniform(0, 1.0))
        disk.cut()
    finally:
        listener.kill()
        listener.wait(10)
    sender.join(90)
    return acknowledged


def _environment(data: Path, port: int, preload: Path | None) -> Mapping[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("AUSCULT_")}
    loaded = {} if preload is None else {"LD_PRELOAD": str(preload)}
    settings = {
        "AUSCULT_DATA_DIR": str(data),
        "AUSCULT_LISTENER__PORT": str(port),
        "AUSCULT_LISTENER__MINIMUM_FREE_BYTES": "0",
    }
    return {**own, **settings, **loaded}


def _lost(data: Path, acknowledged: list[str]) -> list[str]:
    """Return which images have no row, or not the bytes that it names."""
    engine, store = connect(f"sqlite:///{data / 'ledger.sqlite'}"), LocalStore(data / "objects")
    try:
        with Session(engine) as session:
            rows = session.execute(select(InstanceRecord.sop_instance_uid, InstanceRecord.object_key)).all()
        keys = {row.sop_instance_uid: row.object_key for row in rows}
        return [uid for uid in acknowledged if uid not in keys or not _is_whole(store, keys[uid])]
    except Exception as error:  # noqa: BLE001 - a ledger that cannot be read has lost them all
        print(f"the ledger cannot be read: {type(error).__name__}", file=sys.stderr)  # noqa: T201
        return list(acknowledged)
    finally:
        engine.dispose()


def _is_whole(store: LocalStore, key: str) -> bool:
    try:
        return hashlib.sha256(store.read(key)).hexdigest() == key
    except AuscultError:
        return False


def main() -> None:
    """Run the campaign and its control; exit with 1 when an image was lost, or the control lost none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auscult-power-") as folder:
        done = run(chosen.cuts, chosen.seed, Path(folder))
    print(done.text())  # noqa: T201 - a program
    with tempfile.TemporaryDirectory(prefix="auscult-power-") as folder:
        control = run(chosen.cuts, chosen.seed, Path(folder), EATMYDATA)
    print(f"without fsync: {control.text()}")  # noqa: T201
    sys.exit(bool(done.lost) or not control.lost)


if __name__ == "__main__":
    end_in_order()
    main()
