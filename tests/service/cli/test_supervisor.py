"""The supervisor of one machine's parts."""

import threading
from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

import pytest

from service.cli.supervisor import Supervisor, parts
from service.settings import DeliverySettings


class OneLook(threading.Event):
    """Is set once it has been waited for."""

    def wait(self, timeout: float | None = None) -> bool:
        self.set()
        return True


def test_delivery_workers_run_beside_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[str, ...]] = []

    def start(command: Sequence[str], **_: Any) -> Mock:
        started.append(tuple(command[3:]))
        return Mock(**{"poll.return_value": None})

    monkeypatch.setattr("subprocess.Popen", start)
    Supervisor(parts(deliveries=3), {}).run(OneLook())
    assert started.count(("work", "deliver")) == 3
    assert sorted(set(started)) == [("listen",), ("sweep",), ("web",), ("work", "deliver"), ("work", "infer")]
    assert ("listen-hl7",) in parts(hears_hl7=True)


def test_a_machine_has_a_delivery_worker_for_each_four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers in ((1, 1), (7, 1), (16, 4)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert DeliverySettings().process_count == workers
    assert DeliverySettings(processes=2).process_count == 2
