"""Reports that cannot be built: what is at fault with them, and what with the resources that they need."""

from __future__ import annotations

from typing import Any

import pytest

from service.objects import LocalStore
from service.vocabulary.errors import StoreUnavailable
from tests.phantoms import chest
from tests.worker.conftest import Gateway, destination


def _away(*_: object) -> None:
    raise StoreUnavailable("the store is away")


@pytest.mark.parametrize("step", ["read", "put"])
def test_a_store_that_is_away_for_long_costs_no_image_its_reports(
    gateway: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made: Gateway = gateway(destination())
    made.receive(chest(1))
    made.infer()
    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, step, _away)
        for _ in range(made.settings.analysis.maximum_attempts + 2):
            assert made.build() == 1  # tried, and put off
            assert made.build() == 0
            made.clock.turn(seconds=200)  # longer than a lease
    assert [row.state for row in made.instances] == ["inferred"]
    assert made.events.count("reports put off") == made.settings.analysis.maximum_attempts + 2

    made.build()
    assert [row.state for row in made.instances] == ["reported"]
    assert len(made.reports) == 3
