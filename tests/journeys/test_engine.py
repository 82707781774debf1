"""How a worker ends and what it survives: SIGTERM in the middle of a batch, a hang, a broker that is killed."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from celery import Celery

from service.vocabulary.event_details import EventDetail
from service.vocabulary.states import State
from tests import servers
from tests.invariants import Invariant
from tests.journeys.faulty import Trap
from tests.journeys.gateway import PARTS, Gateway, gateway
from tests.phantoms import chest
from tests.servers import free_port, wait_until

PREDICT = "models.predictor:Predictor.predict"
#: So long that a test which waited for a lease to end would not come to its end.
LONG = {"lease": 600.0, "batch_size": 1}


def held(running: Gateway, trap: Trap) -> None:
    """Wait until a worker stands still with a prediction under way."""
    wait_until((trap.folder / "died").exists, f"the worker is at it\n{running.output()[-2000:]}", 90)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", ["embedded", pytest.param("celery", marks=pytest.mark.slow)])
def test_a_worker_that_is_told_to_stop_finishes_its_batch_and_gives_the_rest_back_at_once(
    engine: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    urls = {}
    if engine == "celery":
        urls = {
            "redis_url": request.getfixturevalue("redis_url"),
            "database_url": request.getfixturevalue("postgres_url"),
        }
    trap, sources = Trap(tmp_path, (PREDICT,)), [chest(700 + number) for number in range(3)]
    (tmp_path / "site").mkdir()
    with gateway(tmp_path / "site", parts=("listen",), analysis=LONG, **urls) as running:
        for source in sources:
            assert running.send(source) == 0x0000
        trap.hold(PREDICT, "before", 1)
        process = running.start("work infer", trap)
        held(running, trap)
        assert [running.version(source).state for source in sources] == [State.CLAIMED, State.CLAIMED, State.RECEIVED]
        process.send_signal(signal.SIGTERM)
        trap.let_go()
        assert process.wait(60) == 0
        assert [running.version(source).state for source in sources] == [State.INFERRED, State.RECEIVED, State.RECEIVED]
        assert running.version(sources[1]).lease_until is None
        given_back = [row.facts for row in running.events() if row.event == "released"]
        assert given_back == [EventDetail.WORKER_STOPS.of().stored()]
        running.processes.pop("work infer")
        running.start("work infer")
        running.start("sweep")
        wait_until(
            lambda: {running.version(source).state for source in sources} == {State.INFERRED}, "all are analysed", 60
        )


@pytest.mark.proves(Invariant.STUCK_WORKER_ENDS)
@pytest.mark.timeout(300)
def test_a_worker_that_hangs_with_an_image_in_its_hands_is_replaced(tmp_path: Path) -> None:
    trap, source = Trap(tmp_path, (PREDICT,)), chest(710)
    (tmp_path / "site").mkdir()
    with gateway(tmp_path / "site", parts=("listen",), liveness={"stalled_after": 2.0}) as running:
        trap.hold(PREDICT, "before", 1)
        process = running.start("work infer", trap)
        assert running.send(source) == 0x0000
        held(running, trap)
        assert process.wait(60) == 75
        assert "the inference got nowhere" in running.output()
        running.processes.pop("work infer")
        running.start("work infer")  # as `auscult up` or a container's restart policy does
        wait_until(lambda: running.version(source).state == State.INFERRED, "another worker analyses it", 60)


@contextmanager
def _on_a_broker(
    folder: Path, program: Callable[[str], str], postgres_url: str, parts: Sequence[str]
) -> Iterator[tuple[Gateway, subprocess.Popen[bytes], AbstractContextManager[object]]]:
    """Run parts on a Redis of their own; give its process too, and what starts another one on its port."""
    program("redis-server")
    port, folders = free_port(), [folder / "one", folder / "two", folder / "site"]
    for each in folders:
        each.mkdir()
    with (
        servers.redis_process(folders[0], port) as (url, redis),
        gateway(folders[2], parts=parts, database_url=postgres_url, redis_url=url) as running,
    ):
        yield running, redis, servers.redis_process(folders[1], port)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_is_killed_and_comes_back_is_used_again(
    tmp_path: Path, program: Callable[[str], str], postgres_url: str
) -> None:
    parts = ("listen", "work infer", "work deliver")
    with _on_a_broker(tmp_path, program, postgres_url, parts) as (running, redis, again), ExitStack() as stack:
        sources = [chest(720 + number) for number in range(3)]
        assert running.send(sources[0]) == 0x0000
        wait_until(lambda: running.version(sources[0]).state == State.REPORTED, "the first is reported", 90)
        redis.kill()
        redis.wait()
        assert running.send(sources[1]) == 0x0000  # acknowledged all the same
        stack.enter_context(again)
        running.start("sweep")
        wait_until(lambda: running.version(sources[1]).state == State.REPORTED, "the sweep wakes the workers", 90)
        assert running.send(sources[2]) == 0x0000
        wait_until(lambda: running.version(sources[2]).state == State.REPORTED, "wake-ups arrive again", 60)
        assert all(process.poll() is None for process in running.processes.values())


@pytest.mark.proves(Invariant.BROKER_DELAYS_LITTLE)
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_hangs_delays_one_image_and_loses_none(
    tmp_path: Path, program: Callable[[str], str], postgres_url: str
) -> None:
    sources = [chest(750 + number) for number in range(6)]
    with _on_a_broker(tmp_path, program, postgres_url, PARTS) as (running, redis, _):
        _send_and_wait(running, 749)
        redis.send_signal(signal.SIGSTOP)
        try:
            waits = []
            for source in sources:
                started = time.monotonic()
                assert running.send(source) == 0x0000
                waits.append(time.monotonic() - started)
            assert {running.version(source).state for source in sources} == {State.RECEIVED}
        finally:
            redis.send_signal(signal.SIGCONT)
        assert max(waits) < 10.0, waits
        assert sum(wait > 1.5 for wait in waits) <= 2, waits  # one in five seconds, on a slow machine too
        for source in sources:
            wait_until(lambda source=source: running.version(source).state == State.REPORTED, "is reported", 90)  # type: ignore[misc]
        assert all(process.poll() is None for process in running.processes.values())


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_broker_that_is_killed_while_a_worker_is_busy_is_used_again(
    tmp_path: Path, program: Callable[[str], str], postgres_url: str
) -> None:
    trap, sources = Trap(tmp_path, (PREDICT,)), [chest(730), chest(731)]
    with (
        _on_a_broker(tmp_path, program, postgres_url, ("listen",)) as (running, redis, again),
        ExitStack() as stack,
    ):
        trap.hold(PREDICT, "before", 1)
        process = running.start("work infer", trap)
        assert running.send(sources[0]) == 0x0000
        held(running, trap)
        redis.kill()
        redis.wait()
        stack.enter_context(again)
        trap.let_go()
        wait_until(lambda: running.version(sources[0]).state == State.INFERRED, "the batch is finished", 60)
        assert running.send(sources[1]) == 0x0000
        wait_until(lambda: running.version(sources[1]).state == State.INFERRED, "wake-ups arrive again", 60)
        assert process.poll() is None


@pytest.mark.proves(Invariant.STUCK_WORKER_ENDS)
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_that_its_broker_has_forgotten_ends_though_it_is_connected_and_alive(
    tmp_path: Path, redis_url: str, postgres_url: str
) -> None:
    """As Celery's worker was known to be after a reconnect: it answers, and consumes nothing."""
    control = Celery("operator", broker=redis_url, set_as_current=False).control
    parts = ("work infer", "work deliver")
    with gateway(
        tmp_path,
        parts=("listen", *parts),
        database_url=postgres_url,
        redis_url=redis_url,
        liveness={"stalled_after": 4.0},
    ) as running:

        def answers(task: str) -> bool:
            return any(name.startswith(f"{task}-") for one in control.ping(timeout=1) for name in one)

        for part in parts:
            wait_until(lambda part=part: answers(part.removeprefix("work ")), part, 90)  # type: ignore[misc]
        _send_and_wait(running, 740)
        for number, part in enumerate(parts):
            process, task = running.processes[part], part.removeprefix("work ")
            said = control.cancel_consumer(task, reply=True, timeout=2)
            assert [answer["ok"] for one in said for answer in one.values() if "ok" in answer], said
            assert running.send(chest(741 + number)) == 0x0000
            assert answers(task)
            assert process.wait(60) == 75
            assert "got nowhere" in (tmp_path / f"work-{task}.log").read_text()
            running.processes.pop(part)
            running.start(part)  # as a container's restart policy does
            _send_and_wait(running, 741 + number)


def _send_and_wait(running: Gateway, seed: int) -> None:
    """Send an image, perhaps again, and wait for its reports."""
    assert running.send(chest(seed)) == 0x0000
    wait_until(lambda: running.version(chest(seed)).state == State.REPORTED, f"{seed} is reported", 90)
