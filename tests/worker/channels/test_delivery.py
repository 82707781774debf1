"""From the settings of a site to what its receivers are told, by the delivery worker itself."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from service.audit import AuditTrail
from service.ledger import Arrival, Ledger
from service.ledger.migration import upgrade
from service.objects import LocalStore
from service.operations.bootstrap import open_ledger
from service.settings import load
from service.vocabulary.states import DeliveryState, Priority
from tests import phantoms
from tests.invariants import Invariant
from tests.servers import wait_until
from tests.service.sample_site import identity_of, prediction
from tests.worker.channels.test_hl7 import Script
from tests.worker.channels.test_webhook import Board, boards, secret  # noqa: F401 - fixtures
from worker.delivery import Delivery


def _analyse(ledger: Ledger, store: LocalStore) -> None:
    image = phantoms.chest()
    stored = store.put(phantoms.encoded(image))
    ledger.admission.register(Arrival(identity_of(image), "1.2.840.10008.1.2.1", stored, "CR"))
    (claim,) = ledger.analysis.claim("worker", 1, timedelta(minutes=1), 3)
    ledger.results.save_prediction(claim, prediction(0.9), pixel_digest="0", flags=(), priority=Priority.URGENT)


@pytest.mark.proves(Invariant.EVENTS_ARE_TOLD_IN_ORDER)
def test_a_receiver_that_is_away_holds_up_no_other_and_both_are_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    boards: object,  # noqa: F811
    secret: Path,  # noqa: F811
) -> None:
    board: Board = boards()  # type: ignore[operator]
    with Script(b"AA") as peer:
        (tmp_path / "auscult.toml").write_text(
            f"""
            data_dir = "{tmp_path / "data"}"

            [delivery]
            first_retry = 0.2

            [[receivers]]
            channel = "hl7"
            name = "ris"
            host = "127.0.0.1"
            port = {peer.port}

            [[receivers]]
            channel = "webhook"
            name = "board"
            url = "http://127.0.0.1:{board.port}/"
            secret_file = "{secret}"
            """
        )
        monkeypatch.setenv("AUSCULT_CONFIG", str(tmp_path / "auscult.toml"))
        settings = load()
        settings.data_dir.mkdir()
        upgrade(settings.database_url)
        ledger, store, stop = open_ledger(settings), LocalStore(settings.objects_dir), threading.Event()
        board.answers = [503]
        with AuditTrail(settings) as trail:
            delivery = Delivery(settings, ledger, store, (), trail, "delivery", stop)
            try:
                _analyse(ledger, store)
                delivery.ring()
                outbox = {"ris": {DeliveryState.CONFIRMED: 1}}
                outbox["board"] = {DeliveryState.CONFIRMED: 2}
                wait_until(lambda: ledger.inspection.status().outbox == outbox, "both are told", 30)
            finally:
                stop.set()
                delivery.close()
                ledger.engine.dispose()
    assert [message["event"] for message in board.taken] == ["result", "result", "priority_raised"]
    assert len({message["id"] for message in board.taken}) == 2
    audited = settings.audit_file.read_text()
    assert audited.count('originalText="Export"') == 3
