"""The object store, as a folder and as a bucket: what was kept can be read, what was not kept is not there."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.objects import LocalStore, ObjectStore
from service.objects.s3 import S3Store
from service.settings import Settings, StoreSettings
from service.vocabulary.errors import ObjectMissing, StoreFull
from tests.service.objects.buckets import credentials, new_bucket


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    """Give an empty store of each kind."""
    if request.param == "folder":
        yield LocalStore(tmp_path / "objects")
        return
    with credentials():
        made = S3Store(new_bucket(request.getfixturevalue("s3_url")), tmp_path / "objects" / "incoming")
        yield made
        made.close()


def _files(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "objects" / "incoming").iterdir() if path.is_file()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(pieces=st.lists(st.binary(max_size=200), max_size=8))
def test_what_arrives_in_pieces_is_read_as_a_whole_under_its_digest(store: ObjectStore, pieces: list[bytes]) -> None:
    with store.begin() as incoming:
        for piece in pieces:
            incoming.write(piece)
        stored = incoming.keep()

    whole = b"".join(pieces)
    assert (stored.key, stored.size) == (hashlib.sha256(whole).hexdigest(), len(whole))
    assert store.read(stored.key) == whole
    assert store.holds(stored.key)


def test_what_is_put_as_a_whole_has_the_key_of_what_arrives_in_pieces(store: ObjectStore) -> None:
    with store.begin() as incoming:
        incoming.write(b"x")
        assert incoming.keep() == store.put(b"x")

    assert [found.size for found in store.stored(hashlib.sha256(b"x").hexdigest()[:2])] == [1]


def test_what_is_discarded_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    with store.begin() as incoming:
        incoming.write(b"half")

    assert _files(tmp_path) == []
    assert not store.holds(hashlib.sha256(b"half").hexdigest())


def test_what_is_kept_leaves_nothing_half_received(store: ObjectStore, tmp_path: Path) -> None:
    with store.begin() as incoming:
        incoming.write(b"whole")
        incoming.keep()

    assert _files(tmp_path) == []


def test_a_missing_object_is_told(store: ObjectStore) -> None:
    with pytest.raises(ObjectMissing):
        store.read("0" * 64)
    assert not store.holds("0" * 64)


def test_an_object_that_is_removed_is_gone_and_removing_it_again_is_harmless(store: ObjectStore) -> None:
    one, other = store.put(b"one"), store.put(b"other")

    assert store.remove(one.key, 0) == one.size
    assert store.remove(one.key, 0) == 0
    assert not store.holds(one.key)
    assert store.read(other.key) == b"other"


def test_an_object_that_was_just_written_is_not_removed(store: ObjectStore) -> None:
    stored = store.put(b"fresh")

    assert store.remove(stored.key, 3600) == 0
    assert store.read(stored.key) == b"fresh"


def test_objects_are_listed_by_the_beginning_of_their_keys(store: ObjectStore) -> None:
    put = {store.put(str(number).encode()).key for number in range(6)}

    for prefix in {key[:2] for key in put}:
        assert {found.key for found in store.stored(prefix)} == {key for key in put if key.startswith(prefix)}


def test_nothing_is_begun_below_the_reserve_and_it_is_said_once(
    store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    store.room.reserve_bytes = 1 << 62
    for _ in range(3):
        with pytest.raises(StoreFull):
            store.begin()
    with pytest.raises(StoreFull):
        store.check()
    assert len(caplog.records) == 1

    store.room.reserve_bytes = 0
    store.begin().discard()
    store.check()
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


def test_an_object_that_comes_down_to_the_reserve_while_it_arrives_is_refused(store: ObjectStore) -> None:
    with store.begin() as incoming:
        incoming.write(bytes(1 << 20))
        store.room.reserve_bytes = 1 << 62
        with pytest.raises(StoreFull):
            incoming.write(bytes(4 << 20))


def test_only_old_half_received_files_are_removed(store: ObjectStore, tmp_path: Path) -> None:
    old, fresh = store.begin(), store.begin()
    os.utime(old.path, (0, 0))

    assert store.remove_incomplete(3600) == 1
    assert _files(tmp_path) == [fresh.path]
    old.discard()
    fresh.discard()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://x", "neither"),
        ("s3://", "neither"),
        ("s3://key:secret@bucket", "credentials"),
        ("s3://b?x=1", "neither"),
    ],
)
def test_a_store_that_is_none_is_refused_with_what_to_write(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StoreSettings(url=url)


def test_a_watermark_of_a_bucket_needs_a_quota() -> None:
    with pytest.raises(ValueError, match="quota_bytes"):
        Settings(store={"url": "s3://bucket"}, retention={"high_watermark": 0.9})
