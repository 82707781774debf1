"""Named pipes: a wake-up comes through, is never an error, and never takes a living worker's pipe away.

And a broker: one that hangs holds up one wake-up, not each.
"""

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
import redis

from service.operations import wake
from service.operations.wake import CeleryWaker, LocalBell, LocalWaker, Task, waker
from service.settings import Settings
from tests.invariants import Invariant
from tests.servers import free_port, redis_process, wait_until


def test_a_wake_up_reaches_every_worker_of_its_task_alone(tmp_path: Path) -> None:
    bells = [LocalBell(tmp_path, Task.INFER), LocalBell(tmp_path, Task.INFER), LocalBell(tmp_path, Task.DELIVER)]
    LocalWaker(tmp_path).wake(Task.INFER)

    assert [bell.wait(0) for bell in bells] == [True, True, False]
    assert [bell.wait(0) for bell in bells] == [False, False, False]
    for bell in bells:
        bell.close()
    assert list(tmp_path.iterdir()) == []


def test_many_wake_ups_are_one(tmp_path: Path) -> None:
    bell = LocalBell(tmp_path, Task.INFER)
    for _ in range(3):
        LocalWaker(tmp_path).wake(Task.INFER)

    assert bell.wait(0)
    assert not bell.wait(0)
    bell.close()


def test_a_full_pipe_does_not_block_the_waker(tmp_path: Path) -> None:
    bell = LocalBell(tmp_path, Task.INFER)
    with suppress(BlockingIOError):
        while True:
            os.write(bell._descriptor, bytes(4096))

    LocalWaker(tmp_path).wake(Task.INFER)

    assert bell.wait(0)
    bell.close()


def test_the_pipe_of_a_dead_worker_is_removed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "infer-1-dead")

    LocalWaker(tmp_path).wake(Task.INFER)

    assert list(tmp_path.iterdir()) == []


def test_a_waker_without_file_descriptors_leaves_a_living_worker_its_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell = LocalBell(tmp_path, Task.INFER)

    def exhausted(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", exhausted)
        LocalWaker(tmp_path).wake(Task.INFER)
    LocalWaker(tmp_path).wake(Task.INFER)

    assert bell.wait(0)
    bell.close()


def test_a_worker_that_dies_between_opening_and_writing_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bell = LocalBell(tmp_path, Task.INFER)
    real_open = os.open

    def open_then_die(path: Path, flags: int) -> int:
        descriptor = real_open(path, flags)
        bell.close()
        return descriptor

    monkeypatch.setattr(os, "open", open_then_die)

    LocalWaker(tmp_path).wake(Task.INFER)


def test_a_worker_that_starts_while_it_is_woken_keeps_its_pipe(tmp_path: Path) -> None:
    stop = threading.Event()

    def wake_all_the_time() -> None:
        while not stop.is_set():
            LocalWaker(tmp_path).wake(Task.INFER)

    thread = threading.Thread(target=wake_all_the_time)
    thread.start()
    try:
        for _ in range(300):
            LocalBell(tmp_path, Task.INFER).close()
    finally:
        stop.set()
        thread.join()


@pytest.mark.proves(Invariant.LEDGER_IS_TRUTH)
def test_no_worker_at_all_is_no_error(tmp_path: Path) -> None:
    LocalWaker(tmp_path / "absent").wake(Task.INFER)


def test_the_settings_choose_the_waker(tmp_path: Path) -> None:
    assert isinstance(waker(Settings(data_dir=tmp_path)), LocalWaker)
    assert isinstance(waker(Settings(queue={"url": "redis://127.0.0.1:1/0"})), CeleryWaker)


@pytest.mark.proves(Invariant.BROKER_DELAYS_LITTLE)
def test_a_broker_that_hangs_holds_up_one_wake_up_and_is_used_again_when_it_goes_on(
    tmp_path: Path, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    program("redis-server")
    monkeypatch.setattr(wake, "_ANSWER_S", 0.5)
    with redis_process(tmp_path, free_port()) as (url, process), redis.Redis.from_url(url) as broker:
        celery = CeleryWaker(url)
        celery.wake(Task.INFER)
        assert broker.llen("infer") == 1
        process.send_signal(signal.SIGSTOP)
        try:
            waits = [waited(celery) for _ in range(50)]
        finally:
            process.send_signal(signal.SIGCONT)
        assert 0.4 < waits[0] < 5.0
        assert sum(waits[1:]) < 1.0
        assert caplog.text.count("the broker took no wake-up") == 1
        # What was under way may be done yet.
        before = wait_until_still(broker)
        monkeypatch.setattr(celery, "_quiet_until", time.monotonic())
        celery.wake(Task.INFER)
        assert broker.llen("infer") == before + 1


def test_those_that_come_while_a_broker_hangs_wait_no_longer_than_the_first(
    tmp_path: Path, program: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program("redis-server")
    monkeypatch.setattr(wake, "_ANSWER_S", 0.5)
    with redis_process(tmp_path, free_port()) as (url, process):
        celery, waits = CeleryWaker(url), []
        process.send_signal(signal.SIGSTOP)
        try:
            threads = [threading.Thread(target=lambda: waits.append(waited(celery))) for _ in range(30)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            process.send_signal(signal.SIGCONT)
        assert len(waits) == 30
        assert max(waits) < 5.0


def waited(celery: CeleryWaker) -> float:
    """Return the seconds that a wake-up takes."""
    started = time.monotonic()
    celery.wake(Task.INFER)
    return time.monotonic() - started


def wait_until_still(broker: "redis.Redis") -> int:
    """Return how many wake-ups wait, once the broker has done what had reached it before."""
    wait_until(lambda: bool(broker.ping()), "the broker answers")
    return int(broker.llen("infer"))


def test_a_worker_whose_clock_is_hours_ahead_heeds_a_wake_up(program: Callable[[str], str], tmp_path: Path) -> None:
    program("redis-server")
    with redis_process(tmp_path, free_port()) as (url, _), redis.Redis.from_url(url) as broker:
        CeleryWaker(url).wake(Task.INFER)
        (message,) = cast(list[bytes], broker.lrange("infer", 0, -1))
    expires = datetime.fromisoformat(json.loads(message)["headers"]["expires"])
    assert expires - datetime.now(UTC) > timedelta(hours=23)
