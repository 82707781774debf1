"""A folder of objects: the order of system calls that durability rests on."""

import errno
import os
import resource
from pathlib import Path

import pytest

from service.objects import LocalStore, spool
from service.objects.writeback import begin_writeback
from service.vocabulary.errors import ObjectDamaged, StoreFull, StoreUnavailable


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "objects")


def _files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_same_bytes_are_one_file(store: LocalStore, tmp_path: Path) -> None:
    assert store.put(b"x") == store.put(b"x")
    assert len(_files(tmp_path)) == 1


def test_a_full_disk_is_told_and_leaves_nothing(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        store.put(b"x")

    assert _files(tmp_path) == []


def test_what_arrives_is_on_its_way_to_the_disk_before_it_is_whole(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(spool, "begin_writeback", lambda _file, offset, count: asked.append((offset, count)))
    with store.begin() as incoming:
        for _ in range(5):
            incoming.write(bytes(700_000))
    assert asked == [(0, 1_400_000), (1_400_000, 1_400_000)]


def test_the_kernel_is_asked_for_bytes_of_a_file_alone(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file:
        file.write(bytes(8192))
        assert begin_writeback(file.fileno(), 0, 8192)
    reader, writer = os.pipe()
    assert not begin_writeback(writer, 0, 1)
    os.close(reader)
    os.close(writer)


def test_reports_may_use_the_half_of_the_reserve_that_the_ledger_does_not_need(store: LocalStore) -> None:
    free = store.room.free_bytes()
    store.room.reserve_bytes = free + (1 << 30)
    with pytest.raises(StoreFull):
        store.begin()

    assert store.put(b"a report").size == 8

    store.room.reserve_bytes = 4 * free
    with pytest.raises(StoreFull):
        store.put(b"a report")


def test_bytes_that_changed_on_the_disk_are_never_read_as_the_object(store: LocalStore) -> None:
    stored = store.put(b"a radiograph")
    store.path(stored.key).write_bytes(b"another one.")

    with pytest.raises(ObjectDamaged):
        store.read(stored.key)


def test_the_file_is_durable_before_its_name_and_the_name_before_the_answer(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    real_fsync, real_rename = os.fsync, os.rename

    def fsync(descriptor: int) -> None:
        is_folder = os.path.isdir(f"/proc/self/fd/{descriptor}")  # noqa: PTH112 - a link that Path would resolve
        calls.append("fsync folder" if is_folder else "fsync file")
        real_fsync(descriptor)

    def rename(source: Path, target: Path) -> None:
        calls.append("rename")
        real_rename(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", rename)
    store.put(b"x")

    assert calls == ["fsync file", "rename", "fsync folder"]


def test_objects_are_for_their_owner_alone(tmp_path: Path) -> None:
    LocalStore(tmp_path / "objects")

    assert (tmp_path / "objects").stat().st_mode & 0o077 == 0


def test_a_process_without_a_file_handle_left_is_not_told_to_look_at_its_disk(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(StoreUnavailable, match="Too many open files; raise its limit of open files"):
            store.put(b"report")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
