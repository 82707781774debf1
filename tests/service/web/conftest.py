import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.process.clock import Clock
from service.web import app, server
from tests.service.sample_site import SampleSite


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SampleSite]:
    """Give an empty site on SQLite."""
    site = SampleSite(tmp_path / "data")
    yield site
    site.close()


@pytest.fixture
def client(site: SampleSite, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Give a client of the site's pages, which a real server serves on the site's clock."""
    clock: Clock = lambda: site.now  # noqa: E731
    monkeypatch.setattr(
        server, "create_app", lambda settings, ledger, trail: app.create_app(settings, ledger, trail, clock)
    )
    stop, addresses, bound = threading.Event(), [], threading.Event()

    def ready(address: str) -> None:
        addresses.append(address)
        bound.set()

    thread = threading.Thread(
        target=server.serve, args=(site.settings, site.ledger), kwargs={"ready": ready, "stop": stop}
    )
    thread.start()
    assert bound.wait(20)
    with httpx.Client(base_url=addresses[0], timeout=20) as client:
        yield client
    stop.set()
    thread.join(20)
