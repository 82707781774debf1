import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.process.clock import Clock
from service.web import app, server
from tests.service.ward import Ward


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    """Give an empty ward on SQLite."""
    ward = Ward(tmp_path / "data")
    yield ward
    ward.close()


@pytest.fixture
def client(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """Give a client of the ward's pages, which a real server serves on the ward's clock."""
    clock: Clock = lambda: ward.now  # noqa: E731
    monkeypatch.setattr(
        server, "create_app", lambda settings, ledger, trail: app.create_app(settings, ledger, trail, clock)
    )
    stop, addresses, bound = threading.Event(), [], threading.Event()

    def ready(address: str) -> None:
        addresses.append(address)
        bound.set()

    thread = threading.Thread(
        target=server.serve, args=(ward.settings, ward.ledger), kwargs={"ready": ready, "stop": stop}
    )
    thread.start()
    assert bound.wait(20)
    with httpx.Client(base_url=addresses[0], timeout=20) as client:
        yield client
    stop.set()
    thread.join(20)
