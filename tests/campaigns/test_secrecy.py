"""Who the patient is stands in the ledger, in the reports and on the page: and in nothing that anybody writes.

A whole journey on PostgreSQL, Redis and Celery, by every error that can be had on the way.
"""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from pydicom.dataset import FileDataset
from pydicom.uid import JPEGLSLossless

from service.ledger.records import DeliveryRecord, EventRecord, InstanceRecord
from service.vocabulary.states import DeliveryState
from tests import phantoms
from tests.campaigns.gate import Mode
from tests.campaigns.site import Engine, Site, site
from tests.campaigns.stream import SECRETS
from tests.invariants import Invariant
from tests.phantoms import chest
from tests.servers import free_port, wait_until
from tests.service.dicom.raw_scu import Ended, RawAssociation, header

NAME, BORN = "Verschwiegen^Henriette", "19870611"
EVERYTHING = (*SECRETS, BORN, "11/06/87")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def secret(seed: int, **more: Any) -> FileDataset:
    """Return an image of the patient whom nobody may name."""
    identity = {"patient_name": NAME, "patient_id": f"SECRET-{seed}", "accession_number": f"ACCSECRET{seed}"}
    return chest(seed, **{**identity, "PatientBirthDate": BORN, **more})


@dataclass
class Journey:
    """A site, all that its broker was told, and what its pages and commands said."""

    site: Site
    told: Path
    web_port: int
    heard: list[str]

    def send(self, dataset: FileDataset) -> int | None:
        return self.site.gateway.send(dataset)

    def get(self, path: str) -> None:
        """Fetch a page for machines."""
        address = f"http://127.0.0.1:{self.web_port}{path}"
        try:
            with urllib.request.urlopen(address, timeout=30) as answer:
                self.heard.append(answer.read().decode())
        except urllib.error.HTTPError as error:
            self.heard.append(error.read().decode())

    def command(self, *arguments: str) -> None:
        """Run a command, whatever comes of it."""
        try:
            self.heard.append(self.site.gateway.auscult(*arguments))
        except RuntimeError as error:
            self.heard += str(error).splitlines()[1:]  # the first line is the command

    def rest(self) -> None:
        self.site.gateway.wait_until_settled(90)


@contextmanager
def journey(folder: Path, watcher: str) -> Iterator[Journey]:
    """Run a site that writes all that it has to say."""
    port, settings = free_port(), {"analysis": {"maximum_attempts": 2}, "log": {"level": "debug"}}
    with site(folder, Engine.CELERY, workers=1, archive=False, **settings) as running:
        told = folder / "told.txt"
        with told.open("wb") as output:
            monitor = subprocess.Popen([watcher, "-u", str(running.servers.redis_url), "MONITOR"], stdout=output)
        running.processes.start("web", "web", AUSCULT_WEB__PORT=str(port))
        try:
            yield Journey(running, told, port, [])
        finally:
            monitor.kill()
            monitor.wait()


def pixels_that_nobody_can_decode(journey: Journey) -> None:
    broken = phantoms.transcoded(secret(3), JPEGLSLossless)
    broken.PixelData = broken.PixelData[: len(broken.PixelData) // 4 * 2]
    assert journey.send(secret(1)) == 0
    assert journey.send(broken) == 0
    cut = secret(2)
    cut.PixelData = cut.PixelData[:1000]
    assert journey.send(cut) == 0


def attributes_that_break_every_rule(journey: Journey) -> None:
    uid = str(secret(5).SOPInstanceUID)
    encoded = phantoms.encoded(secret(5, age=None))
    start = 144 + int.from_bytes(encoded[140:144], "little")
    dates = encoded[start:].replace(BORN.encode(), b"11/06/87").replace(b"ISO_IR 192", b"ISO_IR 4711")
    bodies = [
        dates,
        header(uid, study_instance_uid=NAME.encode()),
        header(uid, series_instance_uid=b"SECRET-5"),
        header(uid, patient_name=NAME.encode() * 1000),
        header(uid, patient_name=NAME.encode(), patient_id=b"SECRET-5", sop_class_uid=NAME.encode()),
        header(uid, patient_name=NAME.encode(), birth_date=BORN.encode())[:-9],
    ]
    with RawAssociation(journey.site.gateway.port) as association:
        for body in bodies:
            association.store(body, sop_instance_uid=uid)
    with suppress(Ended), RawAssociation(journey.site.gateway.port) as association:
        association.store(header(uid), sop_instance_uid=NAME)


def two_patients_in_one_study(journey: Journey) -> None:
    first = secret(7)
    assert journey.send(first) == 0
    assert journey.send(secret(8, study_instance_uid=str(first.StudyInstanceUID), patient_name="Verschwiegen^B")) == 0
    journey.rest()
    journey.command("status")
    journey.command("release", "--yes", str(first.StudyInstanceUID))


def a_destination_that_takes_nothing(journey: Journey) -> None:
    for number, mode in enumerate((Mode.RESET, Mode.REFUSE, Mode.HANG)):
        journey.site.gates["pacs"].set(mode)
        image = secret(10 + number)
        assert journey.send(image) == 0
        # Its own reports, not only the question whether those before have arrived.
        wait_until(partial(_is_put_off, journey, image), "its reports are put off", 60)
    journey.site.gates["pacs"].set(Mode.PASS)
    journey.rest()
    journey.site.pacs.refusal = 0xC000
    assert journey.send(secret(14)) == 0
    wait_until(lambda: journey.site.has_event(0, "dead"), "it is given up", 60)
    journey.site.pacs.refusal = None
    journey.command("retry")


def _is_put_off(journey: Journey, image: FileDataset) -> bool:
    rows = journey.site.gateway.deliveries(image)
    return any(row.state == DeliveryState.PENDING and row.detail is not None for row in rows)


def bytes_that_are_gone(journey: Journey) -> None:
    worker, image = journey.site.processes.pid("infer 1"), secret(20)
    os.kill(worker, signal.SIGSTOP)
    assert journey.send(image) == 0
    key = journey.site.gateway.version(image).object_key
    (journey.site.gateway.folder / "data" / "objects" / key[:2] / key).unlink()
    os.kill(worker, signal.SIGCONT)
    wait_until(lambda: journey.site.has_event(0, "failed", of="not in the store"), "the attempt fails", 90)


def servers_that_are_away(journey: Journey) -> None:
    broker, database = journey.site.servers.redis, journey.site.servers.postgres
    assert broker is not None
    assert database is not None
    broker.down()
    assert journey.send(secret(30)) == 0
    broker.up()
    database.down()
    assert journey.send(secret(31)) in (0xA700, None)
    journey.get("/metrics")
    journey.get("/readyz")
    journey.command("status")
    database.up()
    assert journey.send(secret(31)) == 0


def pages_and_commands(journey: Journey) -> None:
    for path in ("/metrics", "/healthz", "/readyz", f"/studies/{NAME}", "/studies/1.2.3", f"/nothing?q={NAME}"):
        journey.get(path)
    for command in (("status",), ("doctor",), ("sweep", "--once"), ("db", "upgrade"), ("show", NAME)):
        journey.command(*command)


@pytest.mark.proves(Invariant.NO_PATIENT_IN_LOGS)
def test_nothing_that_anybody_writes_says_who_the_patient_is(program: Callable[[str], str], tmp_path: Path) -> None:
    for name in ("redis-server", "postgres", "initdb"):
        program(name)
    with journey(tmp_path, program("redis-cli")) as here:
        for step in (
            pixels_that_nobody_can_decode,
            attributes_that_break_every_rule,
            two_patients_in_one_study,
            a_destination_that_takes_nothing,
            bytes_that_are_gone,
            pages_and_commands,
            servers_that_are_away,
        ):
            step(here)
        here.site.processes.kill("infer 1")
        assert here.site.servers.postgres_log is not None
        with here.site.session() as session:
            details = [f"{row.detail} {getattr(row, 'facts', '')}" for kind in RECORDED for row in session.query(kind)]
        with redis.Redis.from_url(str(here.site.servers.redis_url)) as broker:
            kept = [str(broker.dump(key)) for key in broker.scan_iter()]
        written = {
            "the processes' output": here.site.output(),
            "the broker's traffic": here.told.read_text(errors="replace"),
            "the broker's memory": "\n".join(kept),
            "the database's log": here.site.servers.postgres_log.read_text(errors="replace"),
            "the history and its details": "\n".join(details),
            "pages for machines, and commands": "\n".join(here.heard),
        }
    # What shows that the errors were had.
    for sign in ("0xC000", "0xC002", "0xA700", "study held", "took no wake-up", "is put off", "delivered for now"):
        assert sign in written["the processes' output"], sign
    assert "worker.infer" in written["the broker's traffic"]
    assert "Traceback" not in written["the processes' output"]
    found = [
        f"{where}: {word}" for where, text in written.items() for word in EVERYTHING if word.casefold() in asked(text)
    ]
    assert found == []


RECORDED: tuple[Any, ...] = (EventRecord, InstanceRecord, DeliveryRecord)


def asked(text: str) -> str:
    """Return a text in lower case, without the lines in which somebody is told what they typed themselves."""
    return "\n".join(line for line in text.casefold().splitlines() if "the ledger knows no" not in line)
