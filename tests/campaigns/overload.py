"""Overload: four times as many images as the site can analyse; nothing hangs, nothing swells, the urgent come first.

``python -m tests.campaigns.overload --help``; `make overload` runs it.
"""

import argparse
import re
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select

from service.ledger.records import EventRecord, InstanceRecord
from service.vocabulary.states import Priority, State
from tests import phantoms
from tests.campaigns.ending import end_in_order
from tests.campaigns.site import ON_ONE_MACHINE, Engine, Site, site
from tests.campaigns.verdict import illegal_steps, stuck, told_too_much
from tests.campaigns.vitals import Watch
from tests.phantoms import chest
from tests.servers import free_port, wait_until
from tests.service.dicom.raw_scu import CR, EXPLICIT, Ended, RawAssociation

#: Times the sustainable rate.
FACTOR = 4.0
#: What a process may hold more than when it was idle: nothing of a backlog is in memory.
MEMORY_BOUND_BYTES = {"listener 1": 64 << 20, "infer 1": 128 << 20, "deliver 1": 96 << 20}
#: No C-STORE may wait longer than this for its answer.
_HUNG_S = 30.0
_SENDERS = 6
#: One image in so many is STAT.
_STAT_EACH = 15
_CALIBRATION = 16
#: Of images in a forward pass, and of reports that a builder takes.
_BATCH = 4


@dataclass
class Load:
    """Sends copies of one phantom, each an image of its own, at a rate, over associations that stay."""

    running: Site
    waits_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        dataset = chest(
            1, rows=208, columns=200, sop_instance_uid="2.25.1000000000", study_instance_uid="2.25.2000000000"
        )
        encoded = phantoms.encoded(dataset)
        self._data = encoded[144 + int.from_bytes(encoded[140:144], "little") :]

    def send(self, number: int, rate: float) -> None:
        """Send so many, the n-th `n / rate` seconds from now; return when all are answered."""
        first, started = self.sent, time.monotonic()
        end = first + number
        senders = [threading.Thread(target=self._work, args=(first, end, rate, started)) for _ in range(_SENDERS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()

    def _work(self, first: int, end: int, rate: float, started: float) -> None:
        with RawAssociation(self.running.gateway.port, [(1, CR, (EXPLICIT,))], timeout_s=_HUNG_S) as association:
            while True:
                with self._lock:
                    number, self.sent = self.sent, min(self.sent + 1, end)
                if number >= end:
                    return
                time.sleep(max(0.0, started + (number - first) / rate - time.monotonic()))
                self._store(association, number)

    def _store(self, association: RawAssociation, number: int) -> None:
        uid = f"2.25.1{number:09}"
        data = self._data.replace(b"2.25.1000000000", uid.encode())
        data = data.replace(b"2.25.2000000000", f"2.25.2{number:09}".encode())
        begun = time.monotonic()
        try:
            # 1 is HIGH (PS3.7 section 9.1.1.1.8).
            answer = association.store(data, sop_instance_uid=uid, priority=int(number % _STAT_EACH == 7))
        except (Ended, OSError) as error:
            self.wrong.append(f"image {number}: {type(error).__name__} after {time.monotonic() - begun:.1f} s")
            raise
        self.waits_s.append(time.monotonic() - begun)
        if answer.status != 0x0000:
            self.wrong.append(f"image {number} got 0x{answer.status:04X} {answer.comment}")


@dataclass(frozen=True)
class Outcome:
    """What an overload showed; `wrong` is empty when all is well."""

    sustainable: float
    sent: int
    seconds: float
    longest_wait_s: float
    backlog: int
    oldest_s: float
    drained_s: float
    grown: dict[str, int]
    stat_s: float
    routine_s: float
    wrong: list[str]

    def text(self) -> str:
        """Return it in words."""
        grown = ", ".join(f"{name} {count / 2**20:+.0f} MiB" for name, count in self.grown.items())
        return "\n".join(
            [
                (
                    f"sustainable {self.sustainable:.2f} images/s; {self.sent} sent in {self.seconds:.0f} s, "
                    f"{self.sent / self.seconds:.2f} images/s"
                ),
                f"longest wait for a C-STORE response {self.longest_wait_s:.2f} s",
                (
                    f"{self.backlog} images under way at the end, the oldest {self.oldest_s:.0f} s by /metrics, "
                    f"drained {self.drained_s:.0f} s later"
                ),
                f"received to confirmed by the PACS, longest: STAT {self.stat_s:.1f} s, routine {self.routine_s:.1f} s",
                f"peak memory over idle: {grown}",
                *(f"WRONG: {item}" for item in self.wrong[:30]),
            ]
        )


def run(seconds: float, folder: Path, engine: Engine = Engine.EMBEDDED) -> Outcome:
    """Overload a site in an empty folder for so long."""
    web_port = free_port()
    with site(folder, engine, workers=1, archive=False, analysis={"batch_size": _BATCH}) as running:
        running.processes.start("web", "web", AUSCULT_WEB__PORT=str(web_port))
        load = Load(running)
        sustainable = _calibrate(running, load)
        pids = {name: running.processes.pid(name) for name in MEMORY_BOUND_BYTES}
        with Watch(pids, 0.5) as watch:
            time.sleep(1.5)  # a first sample of each
            before = {name: seen[0].memory_bytes for name, seen in watch.seen.items()}
            number, started, calibrated = (
                max(_STAT_EACH * 2, round(FACTOR * sustainable * seconds)),
                time.monotonic(),
                load.sent,
            )
            load.send(number, FACTOR * sustainable)
            took_s = time.monotonic() - started
            backlog, oldest_s = running.images(), _oldest_s(web_port)
            wait_until(lambda: running.under_way() == 0, "the backlog drains", 60 + 8 * seconds * FACTOR, 0.5)
            drained_s = time.monotonic() - started - took_s
        grown = {name: watch.peak_bytes(name) - before[name] for name in pids}
        wrong = load.wrong + [
            f"{name} grew by {grown[name] >> 20} MiB" for name, most in MEMORY_BOUND_BYTES.items() if grown[name] > most
        ]
        if backlog and oldest_s <= 0:
            wrong.append("/metrics told no age of the oldest image that waits")
        if (left := _oldest_s(web_port)) != 0:
            wrong.append(f"/metrics tells of an image that waits for {left:g} s when none does")
        stat_s, routine_s, late = _order(running, calibrated)
        wrong += late + _at_rest(running, load.sent)
        longest = max(load.waits_s)
        return Outcome(
            sustainable, number, took_s, longest, backlog, oldest_s, drained_s, grown, stat_s, routine_s, wrong
        )


def _calibrate(running: Site, load: Load) -> float:
    """Return the images a second that the site brings all the way, after a few that fill its caches."""
    load.send(4, 100.0)
    wait_until(lambda: running.under_way() == 0, "the first images are delivered", 180, 0.1)
    started = time.monotonic()
    load.send(_CALIBRATION, 100.0)
    wait_until(lambda: running.under_way() == 0, "the next images are delivered", 180, 0.1)
    return _CALIBRATION / (time.monotonic() - started)


def _oldest_s(web_port: int) -> float:
    """Return the age of the oldest that waits, to be analysed or to be sent."""
    with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/metrics", timeout=30) as answer:
        found = re.findall(r"^auscult_oldest_(?:waiting|unsent)_seconds (\S+)$", answer.read().decode(), re.MULTILINE)
    assert len(found) == 2
    return max(map(float, found))


def _order(running: Site, first: int) -> tuple[float, float, list[str]]:
    """Return the longest way to the last archive of STAT and of routine images, and each STAT image that was overtaken.

    Only images from the `first` on count.
    """
    with running.session() as session:
        rows = session.scalars(select(InstanceRecord)).all()
        events = session.scalars(select(EventRecord).order_by(EventRecord.id)).all()
    mine = {row.id for row in rows if int(row.sop_instance_uid.removeprefix("2.25.1")) >= first}
    stat = {row.id for row in rows if row.order_priority == int(Priority.STAT)} & mine
    wrong = overtaken(events, stat, "received", "claimed") + overtaken(events, stat, "inferred", "reports built")
    began = {event.instance_id: event.at for event in events if event.event == "received"}
    took = {
        event.instance_id: (event.at - began[event.instance_id]).total_seconds()
        for event in events
        if event.event == "delivered"
    }
    return max(took[item] for item in stat), max(took[item] for item in mine - stat), wrong


def overtaken(events: Sequence[EventRecord], stat: Collection[int], waits: str, taken: str) -> list[str]:
    """Find each STAT image that waited from one event to another while more than a batch of others were taken."""
    waiting: set[int] = set()
    before: Counter[int] = Counter()
    for event in events:
        if event.event == waits and event.instance_id in stat:
            waiting.add(event.instance_id)
        elif event.event == taken:
            waiting.discard(event.instance_id)
            if event.instance_id not in stat:
                before.update(waiting)
    # What a worker has in its hands at that very moment cannot be overtaken any more.
    return [f"STAT image {item}: {n} others {taken} while it was {waits}" for item, n in before.items() if n > _BATCH]


def _at_rest(running: Site, sent: int) -> list[str]:
    rows = running.gateway.rows(InstanceRecord)
    wrong = [f"{row.sop_instance_uid} is {row.state}" for row in rows if row.state != State.DELIVERED]
    wrong += illegal_steps(rows, running.gateway.events()) + stuck(rows, [])
    if len(rows) != sent or len(running.pacs.objects()) != 3 * sent:
        wrong.append(f"{sent} images, {len(rows)} in the ledger, {len(running.pacs.objects())} reports in the PACS")
    return wrong + told_too_much(running.output())


def main() -> None:
    """Run the campaign as the command line says; exit with 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--mode", default=Engine.EMBEDDED, choices=ON_ONE_MACHINE)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auscult-overload-") as folder:
        outcome = run(chosen.seconds, Path(folder), Engine(chosen.mode))
    print(outcome.text())  # noqa: T201 - a program
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    end_in_order()
    main()
