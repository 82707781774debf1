"""The whole way with a bucket as the object store: a real server, behind a wire that breaks in the middle."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from service.ledger.records import InstanceRecord, ReportRecord
from service.settings import StoreSettings
from service.vocabulary.states import State
from tests.invariants import Invariant
from tests.journeys.gateway import Gateway, destination, gateway
from tests.journeys.pacs import CountingPacs
from tests.phantoms import chest, encoded
from tests.servers import wait_until
from tests.service.objects.buckets import Wire, client, credentials, new_bucket, wire


@dataclass(frozen=True)
class Site:
    """A gateway whose objects lie in a bucket, the wire to its server, and the archive."""

    gateway: Gateway
    wire: Wire
    pacs: CountingPacs
    url: str
    store: StoreSettings

    def kept(self) -> dict[str, bytes]:
        """Return what the bucket holds, by key, as its server tells it."""
        beside = client(self.url)
        listing = beside.list_objects_v2(Bucket=self.store.bucket).get("Contents", [])
        content = {
            item["Key"]: beside.get_object(Bucket=self.store.bucket, Key=item["Key"])["Body"].read() for item in listing
        }
        beside.close()
        return {name.rpartition("/")[2]: body for name, body in content.items()}


@pytest.fixture(scope="module")
def site(s3_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    store, folder = new_bucket(s3_url, timeout=1.0), tmp_path_factory.mktemp("bucket")
    with credentials(), wire(s3_url) as between, CountingPacs() as pacs:
        table = {**store.model_dump(exclude_defaults=True), "endpoint": between.url}
        with gateway(folder, [destination(pacs.port)], store=table) as running:
            yield Site(running, between, pacs, s3_url, store)


@pytest.fixture(autouse=True)
def _whole(site: Site) -> Iterator[None]:
    """Mend the wire, and see that nothing was lost, doubled or kept in part."""
    yield
    site.wire.cut_after = site.wire.cut_answers_after = None
    site.gateway.wait_until_settled()
    kept = site.kept()
    assert all(hashlib.sha256(body).hexdigest() == key for key, body in kept.items())
    rows = [*site.gateway.rows(InstanceRecord), *site.gateway.rows(ReportRecord)]
    assert {row.object_key for row in rows} == {*kept}
    assert all(len(digests) == 1 for digests in site.pacs.digests.values())


def test_images_and_reports_go_by_the_bucket_and_no_folder_holds_any(site: Site) -> None:
    source = chest(960)
    assert site.gateway.send(source) == 0x0000
    site.gateway.wait_until_settled()
    assert site.gateway.version(source).state == State.DELIVERED
    assert len(site.pacs.of(source)) == 3
    assert len(site.kept()) == 4
    assert [path for path in (site.gateway.folder / "data" / "objects").rglob("*") if path.is_file()] == []


@pytest.mark.proves(Invariant.STORE_AWAY_DELAYS)
def test_a_server_that_breaks_off_while_an_image_goes_in_is_a_refusal_and_the_image_is_taken_later(site: Site) -> None:
    source, before = chest(961), site.kept()
    assert len(encoded(source)) > 60_000
    site.wire.cut_after = 50_000
    assert site.gateway.send(source) == 0xA700
    assert site.gateway.versions(source) == []
    assert site.kept() == before

    site.wire.cut_after = None
    assert site.gateway.send(source) == 0x0000
    site.gateway.wait_until_settled()
    assert len(site.pacs.of(source)) == 3


@pytest.mark.proves(Invariant.STORE_AWAY_DELAYS)
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_server_that_breaks_off_while_an_image_is_read_delays_its_analysis(site: Site) -> None:
    source = chest(962)
    site.gateway.stop("work infer")
    assert site.gateway.send(source) == 0x0000
    site.wire.cut_answers_after = 20_000
    site.gateway.start("work infer")
    wait_until(lambda: f"{source.SOPInstanceUID} is put off: the bucket" in site.gateway.output(), "it is told", 30)
    assert site.gateway.version(source).state in (State.RECEIVED, State.CLAIMED)
    assert site.gateway.predictions(source) == []

    site.wire.cut_answers_after = None
    site.gateway.wait_until_settled()
    assert site.gateway.version(source).state == State.DELIVERED
    assert len(site.pacs.of(source)) == 3


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_a_server_that_is_away_while_reports_are_built_and_sent_delays_them(site: Site) -> None:
    source = chest(963)
    site.gateway.stop("work deliver")
    assert site.gateway.send(source) == 0x0000
    wait_until(lambda: site.gateway.version(source).state == State.INFERRED, "it is analysed", 30)
    site.wire.cut_after = 0  # not a byte gets through
    told = site.gateway.output().count("the bucket cannot be used")
    site.gateway.start("work deliver")
    wait_until(lambda: site.gateway.output().count("the bucket cannot be used") > told, "it is told", 30)
    assert site.gateway.send(chest(964)) == 0xA700
    assert site.pacs.of(source) == []

    site.wire.cut_after = None
    site.gateway.wait_until_settled()
    assert len(site.pacs.of(source)) == 3
