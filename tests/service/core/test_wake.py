"""Named pipes: a wake-up comes through, is never an error, and never takes a living worker's pipe away."""

import errno
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from service.core.settings import Settings
from service.core.wake import CeleryWaker, LocalBell, LocalWaker, Task, waker


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


def test_no_worker_at_all_is_no_error(tmp_path: Path) -> None:
    LocalWaker(tmp_path / "absent").wake(Task.INFER)


def test_the_settings_choose_the_waker(tmp_path: Path) -> None:
    assert isinstance(waker(Settings(data_dir=tmp_path)), LocalWaker)
    assert isinstance(waker(Settings(queue={"url": "redis://127.0.0.1:1/0"})), CeleryWaker)
