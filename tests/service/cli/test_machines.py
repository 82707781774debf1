"""`auscult machines`."""

import json
from collections.abc import Callable

from click.testing import Result

from service.vocabulary.acquisition import Acquisition, Machine
from tests.service.sample_site import SampleSite

Auscult = Callable[..., Result]


def test_each_machine_and_view_is_a_line(site: SampleSite, auscult: Auscult) -> None:
    assert "No image has named a machine yet" in auscult("machines").output
    site.receive(acquisition=Acquisition(Machine("Agfa", "[DX]", "ROOM1", "A1"), "PA", 110.0))
    site.infer(0.9)
    site.receive()
    auscult("shadow", "enter", "#1")

    lines = auscult("machines").output.splitlines()
    assert len(lines) == 3
    assert "Agfa [DX] ROOM1" in lines[1]
    assert "100 % / -" in lines[1]
    assert "in shadow" in lines[1]
    (first, second) = json.loads(auscult("machines", "--json").output)["machines"]
    assert (first["seen"]["machine"]["station_name"], first["in_shadow"]) == ("ROOM1", True)
    assert second["in_shadow"] is False
