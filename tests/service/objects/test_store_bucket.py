"""A bucket that fails: nothing counts as kept that the server does not hold, and no sender waits beyond the limit."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from service.objects.s3 import S3Store
from service.operations.bootstrap import open_store
from service.settings import Settings, StoreSettings
from service.vocabulary.errors import ObjectDamaged, StoreUnavailable
from tests.servers import moto_server
from tests.service.objects.buckets import CREDENTIALS, Wire, client, credentials, new_bucket, wire

IMAGE = bytes(range(256)) * 1024


@pytest.fixture(autouse=True)
def _credentials() -> Iterator[None]:
    with credentials():
        yield


@pytest.fixture
def faulty(s3_url: str, tmp_path: Path) -> Iterator[tuple[Wire, S3Store]]:
    """Give a store, and the wire between it and its server."""
    with wire(s3_url) as between:
        settings = new_bucket(s3_url, timeout=1.0).model_copy(update={"endpoint": between.url})
        store = S3Store(settings, tmp_path / "incoming")
        yield between, store
        store.close()


def _keep(store: S3Store, content: bytes = IMAGE) -> str:
    with store.begin() as incoming:
        incoming.write(content)
        return incoming.keep().key


def test_a_byte_that_changes_on_the_way_is_found_out_and_sent_again(faulty: tuple[Wire, S3Store]) -> None:
    between, store = faulty
    between.flips = 1

    assert store.read(_keep(store)) == IMAGE
    assert between.flips == 0


def test_an_object_that_arrives_wrong_every_time_is_not_kept(faulty: tuple[Wire, S3Store], tmp_path: Path) -> None:
    between, store = faulty
    between.flips = 1_000

    with pytest.raises(StoreUnavailable, match="other bytes"):
        _keep(store)
    assert list((tmp_path / "incoming").iterdir()) == []


def test_a_server_that_breaks_off_in_the_middle_keeps_nothing_and_takes_it_later(faulty: tuple[Wire, S3Store]) -> None:
    between, store = faulty
    between.cut_after = 50_000
    with pytest.raises(StoreUnavailable, match="does not answer in time"):
        _keep(store)

    between.cut_after = None
    assert store.read(_keep(store)) == IMAGE


def test_a_server_that_breaks_off_in_the_middle_of_an_answer_is_away_and_its_object_not_damaged(
    faulty: tuple[Wire, S3Store],
) -> None:
    between, store = faulty
    key = _keep(store)
    between.cut_answers_after = 50_000
    with pytest.raises(StoreUnavailable, match="does not answer in time"):
        store.read(key)

    between.cut_answers_after = None
    assert store.read(key) == IMAGE


def test_a_server_that_takes_a_little_now_and_then_holds_nobody_up_beyond_the_limit(
    faulty: tuple[Wire, S3Store],
) -> None:
    between, store = faulty
    between.delay = 0.1
    started = time.monotonic()

    with pytest.raises(StoreUnavailable, match="does not answer in time"):
        _keep(store, bytes(64 << 20))
    assert time.monotonic() - started < 60, "all of it would take a quarter of an hour"


def test_a_server_that_never_answers_holds_nobody_up_beyond_the_limit(faulty: tuple[Wire, S3Store]) -> None:
    between, store = faulty
    between.delay = 3.0
    started = time.monotonic()

    with pytest.raises(StoreUnavailable):
        _keep(store)
    assert time.monotonic() - started < 30, "all of it would take a minute and a half"


def test_a_server_that_is_gone_is_told_within_the_limit(tmp_path: Path) -> None:
    with moto_server(tmp_path) as url:
        store = S3Store(new_bucket(url, timeout=0.5), tmp_path / "incoming")
        key = _keep(store)

    with pytest.raises(StoreUnavailable, match="does not answer"):
        _keep(store)
    with pytest.raises(StoreUnavailable, match="does not answer"):
        store.read(key)
    store.close()


def test_a_bucket_that_is_not_there_is_told_at_once(s3_url: str, tmp_path: Path) -> None:
    settings = StoreSettings(url="s3://no-such-bucket", endpoint=s3_url, path_style=True)
    store = S3Store(settings, tmp_path / "incoming")
    started = time.monotonic()

    with pytest.raises(StoreUnavailable, match="NoSuchBucket"):
        store.put(b"x")
    with pytest.raises(StoreUnavailable):
        store.check()
    assert time.monotonic() - started < settings.timeout / 2
    store.close()


def test_bytes_that_changed_in_the_bucket_are_never_read_as_the_object(s3_url: str, tmp_path: Path) -> None:
    settings = new_bucket(s3_url)
    store = S3Store(settings, tmp_path / "incoming")
    key = _keep(store)
    beside = client(s3_url)
    beside.put_object(Bucket=settings.bucket, Key=f"chest/{key[:2]}/{key}", Body=b"another")

    with pytest.raises(ObjectDamaged):
        store.read(key)
    store.close()
    beside.close()


def test_the_server_is_asked_for_the_encryption_of_the_settings(s3_url: str, tmp_path: Path) -> None:
    settings = new_bucket(s3_url, encryption="aws:kms", kms_key="alias/auscult")
    store = S3Store(settings, tmp_path / "incoming")
    key = _keep(store)
    beside = client(s3_url)
    head = beside.head_object(Bucket=settings.bucket, Key=f"chest/{key[:2]}/{key}")

    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/auscult")
    store.close()
    beside.close()


def test_a_lost_credential_never_shows_in_what_is_said(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it remembers the credentials that it found first
    secrets = tmp_path / "credentials"
    secrets.write_text("[default]\naws_access_key_id = AKIA-FROM-FILE\naws_secret_access_key = s3cr3t\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(secrets))
    settings = Settings(
        data_dir=tmp_path, store={"url": "s3://gone", "endpoint": s3_url, "region": "us-east-1", "path_style": True}
    )
    store = open_store(settings)

    with pytest.raises(StoreUnavailable) as caught:
        store.put(b"x")
    assert "AKIA" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in settings.model_dump_json()
    assert isinstance(store, S3Store)
    store.close()


def test_a_listener_with_a_folder_never_loads_the_client_of_a_bucket() -> None:
    program = "import sys, service.cli.serve; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
