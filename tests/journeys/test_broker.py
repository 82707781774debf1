"""Workers on Celery, Redis and PostgreSQL: the broker may forget everything, and knows nobody's name."""

import os
import pickle
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from celery import Celery

from service.operations.wake import CeleryWaker, Task
from service.vocabulary.states import State
from tests.invariants import Invariant
from tests.journeys.faulty import Trap
from tests.journeys.gateway import Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest
from tests.servers import wait_until

PREDICT = "models.predictor:Predictor.predict"
WORKERS = ("listen", "work infer", "work deliver")


@dataclass(frozen=True)
class Site:
    """A gateway without its sweep, the archive, the broker, and all that the broker was told."""

    gateway: Gateway
    pacs: CountingPacs
    broker: redis.Redis
    told: Path


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest,
    program: Callable[[str], str],
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """Start the parts that serve images; the tests start the sweep."""
    watcher, folder = program("redis-cli"), tmp_path_factory.mktemp("broker")
    database_url = request.getfixturevalue("_postgres").create_database()
    with redis.Redis.from_url(redis_url) as broker, (folder / "told.txt").open("wb") as told:
        broker.flushall()
        monitor = subprocess.Popen([watcher, "-u", redis_url, "MONITOR"], stdout=told, stderr=subprocess.STDOUT)
        try:
            with (
                CountingPacs() as pacs,
                gateway(
                    folder,
                    [destination(pacs.port)],
                    parts=WORKERS,
                    database_url=database_url,
                    redis_url=redis_url,
                    log={"level": "debug"},
                ) as running,
            ):
                yield Site(running, pacs, broker, folder / "told.txt")
        finally:
            monitor.kill()
            monitor.wait()


def test_a_wake_up_through_the_broker_is_enough(site: Site) -> None:
    source = chest(600)
    assert site.gateway.send(source) == 0x0000
    site.gateway.wait_until_settled()
    assert len(site.pacs.of(source)) == 3


class Trace:
    """Leaves a folder where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.proves(Invariant.BROKER_DELAYS_LITTLE)
def test_what_a_stranger_puts_into_the_queue_is_neither_read_nor_followed_and_ends_no_worker(
    site: Site, tmp_path: Path, redis_url: str
) -> None:
    """Whoever reaches the broker could have a worker run what they like, or end each one that starts."""
    gateway, source, traces = site.gateway, chest(605), [tmp_path / "pickled", tmp_path / "yaml"]
    assert not pickle.loads(pickle.dumps(Trace(tmp_path / "sample")))
    assert (tmp_path / "sample").is_dir()
    gateway.stop("work infer")
    assert gateway.send(source) == 0x0000
    site.broker.flushall()
    forms = [
        ("application/x-python-serialize", pickle.dumps(((Trace(traces[0]),), {}, {}))),
        ("application/x-yaml", f"[[!!python/object/apply:os.mkdir [{traces[1]}]], {{}}, {{}}]".encode()),
        ("application/json", b"[1]"),
        ("application/json", b"{not json"),
    ]
    with Celery("stranger", broker=redis_url, set_as_current=False) as stranger:
        for number, (form, body) in enumerate(forms):
            with stranger.producer_or_acquire() as producer:
                producer.publish(
                    body,
                    routing_key="infer",
                    headers={"task": "worker.infer", "id": f"stranger-{number}", "lang": "py"},
                    content_type=form,
                    content_encoding="binary",
                    serializer=None,
                    declare=[stranger.amqp.queues.select_add("infer")],
                )
    assert site.broker.llen("infer") == len(forms)
    process, log = gateway.start("work infer"), gateway.folder / "work-infer.log"
    wait_until(lambda: log.read_text().count("ContentDisallowed") >= 2, "what is not JSON is refused", 60)
    wait_until(lambda: "a message that is no wake-up was dropped (ValueError)" in log.read_text(), "it is dropped", 30)
    wait_until(lambda: not site.broker.llen("infer") and not site.broker.hlen("unacked"), "none comes again", 30)
    assert gateway.version(source).state == State.RECEIVED
    assert not any(trace.exists() for trace in traces)
    CeleryWaker(redis_url).wake(Task.INFER)
    gateway.wait_until_settled()
    assert process.poll() is None
    assert not any(trace.exists() for trace in traces)


@pytest.mark.proves(Invariant.LEDGER_IS_TRUTH)
def test_a_broker_that_forgets_everything_delays_work_and_loses_none(site: Site) -> None:
    gateway = site.gateway
    sources = [chest(601 + number) for number in range(3)]
    gateway.stop("work infer")
    for source in sources:
        assert gateway.send(source) == 0x0000
    assert site.broker.llen("infer") == len(sources)
    site.broker.flushall()
    gateway.start("work infer")
    wait_until(lambda: b'"_kombu.binding.infer"' in site.told.read_bytes(), "the worker is at the broker", 30)
    time.sleep(3)
    assert {gateway.version(source).state for source in sources} == {State.RECEIVED}
    gateway.start("sweep")
    gateway.wait_until_settled()
    assert [len(site.pacs.of(source)) for source in sources] == [3, 3, 3]


def test_a_worker_killed_at_its_work_leaves_it_to_the_next_one(site: Site, tmp_path: Path) -> None:
    gateway, source, trap = site.gateway, chest(610), Trap(tmp_path, (PREDICT,))
    gateway.restart("work infer", trap)
    trap.set(PREDICT, "before", 1)
    assert gateway.send(source) == 0x0000
    process = gateway.processes["work infer"]
    wait_until(lambda: process.poll() is not None, "the worker dies", 30)
    assert trap.sprung()
    gateway.restart("work infer")
    gateway.wait_until_settled()
    assert [row.event for row in gateway.events() if row.instance_id == gateway.version(source).id].count(
        "lease expired"
    ) == 1
    assert len(site.pacs.of(source)) == 3


def test_a_broker_that_is_away_keeps_no_image_from_being_acknowledged_and_reported(site: Site) -> None:
    """The broker refuses writes, as one that is out of memory does."""
    gateway, source = site.gateway, chest(611)
    site.broker.config_set("maxmemory", "1")
    try:
        assert gateway.send(source) == 0x0000
        assert "the broker took no wake-up for infer" in gateway.output()
    finally:
        site.broker.config_set("maxmemory", "0")
    gateway.wait_until_settled()
    assert len(site.pacs.of(source)) == 3


def test_neither_the_broker_nor_any_process_hears_who_the_patient_is(site: Site) -> None:
    source = chest(620, patient_id="SECRET-4711", patient_name="Geheim^Klaus", accession_number="ACCSECRET")
    assert site.gateway.send(source) == 0x0000
    site.gateway.wait_until_settled()
    kept = [site.broker.dump(key) for key in site.broker.scan_iter()]
    told = f"{site.told.read_text(errors='replace')}\n{kept}"
    assert "worker.infer" in told
    assert "worker.deliver" in told
    output = site.gateway.output()
    assert str(source.SOPInstanceUID) in output
    for text in (told, output):
        for secret in ("SECRET-4711", "Geheim", "Klaus", "ACCSECRET", str(source.PatientBirthDate)):
            assert secret.casefold() not in text.casefold()
