"""The object store: what was kept can be read, what was not kept is not there."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.core.errors import ObjectMissing, StoreFull, StoreUnavailable
from service.core.store import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def _files(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if path.is_file()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(st.binary(max_size=200), max_size=8))
def test_what_arrives_in_pieces_is_read_as_a_whole_under_its_digest(store: ObjectStore, pieces: list[bytes]) -> None:
    with store.begin() as incoming:
        for piece in pieces:
            incoming.write(piece)
        stored = incoming.keep()

    whole = b"".join(pieces)
    assert (stored.key, stored.size) == (hashlib.sha256(whole).hexdigest(), len(whole))
    assert store.read(stored.key) == whole


def test_the_same_bytes_are_one_file(store: ObjectStore, tmp_path: Path) -> None:
    assert store.put(b"x") == store.put(b"x")
    assert len(_files(tmp_path)) == 1


def test_what_is_discarded_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    with store.begin() as incoming:
        incoming.write(b"half")

    assert _files(tmp_path) == []


def test_a_full_disk_is_told_and_leaves_nothing(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreUnavailable, match="No space left on device"):
        store.put(b"x")

    assert _files(tmp_path) == []


def test_nothing_is_begun_below_the_watermark(tmp_path: Path) -> None:
    with pytest.raises(StoreFull):
        ObjectStore(tmp_path / "objects", minimum_free_bytes=1 << 62).begin()


def test_a_missing_object_is_told(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.read("0" * 64)


def test_only_old_half_received_files_are_removed(store: ObjectStore, tmp_path: Path) -> None:
    old, fresh = store.begin(), store.begin()
    os.utime(old.path, (0, 0))

    assert store.remove_incomplete(3600) == 1
    assert _files(tmp_path) == [fresh.path]
    old.discard()
    fresh.discard()


def test_the_file_is_durable_before_its_name_and_the_name_before_the_answer(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
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
    ObjectStore(tmp_path / "objects")

    assert (tmp_path / "objects").stat().st_mode & 0o077 == 0
