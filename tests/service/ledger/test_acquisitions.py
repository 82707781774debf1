"""Machines in the ledger: each image's, however odd its header, and nothing of the patient."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from service.ledger import Which, acquisitions
from service.ledger.database import reading
from service.ledger.machine_records import AcquisitionRecord, MachineRecord
from service.vocabulary.acquisition import OTHER_MACHINES, OTHER_VIEW, Acquisition, KvpBand, Machine
from service.vocabulary.facts import Reason
from service.vocabulary.states import Priority
from tests.service.sample_site import SampleSite, prediction

ROOM = Acquisition(Machine("Agfa", "DX-D 300", "ROOM1", "A1"), "PA", 110.0)


def kept(site: SampleSite) -> list[tuple[str, str, float | None, float | None]]:
    """Return station name, view, voltage and distance of each version, in the order in which they came."""
    row = AcquisitionRecord
    columns = (MachineRecord.station_name, row.view_position, row.kvp, row.distance)
    with reading(site.engine) as session:
        found = session.execute(select(*columns).join(MachineRecord).order_by(row.instance_id))
        return [(station, view, kvp, distance) for station, view, kvp, distance in found]


def test_images_of_one_machine_share_its_row(site: SampleSite) -> None:
    for acquisition in (ROOM, Acquisition(ROOM.machine, "AP", None), Acquisition()):
        site.receive(acquisition=acquisition)
    assert kept(site) == [("ROOM1", "PA", 110.0, None), ("ROOM1", "AP", None, None), ("", "", None, None)]
    with reading(site.engine) as session:
        assert len(session.scalars(select(MachineRecord)).all()) == 2


def test_whoever_sends_another_serial_number_or_machine_each_time_makes_no_more_rows(
    site: SampleSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acquisitions, "MOST_SERIAL_NUMBERS", 2)
    monkeypatch.setattr(acquisitions, "MOST_MACHINES", 5)
    for number in range(4):
        site.receive(acquisition=Acquisition(replace(ROOM.machine, device_serial_number=f"S{number}"), "PA", 110.0))
    for number in range(5):
        site.receive(acquisition=Acquisition(Machine(station_name=f"CT{number}"), f"VIEW{number}", 66.0))
    site.receive(acquisition=Acquisition(replace(ROOM.machine, device_serial_number="S0"), "PA", 110.0))
    seen = {view.machine: view.images for view in site.ledger.machines.seen()}
    assert seen == {
        replace(ROOM.machine, device_serial_number="S0"): 2,
        replace(ROOM.machine, device_serial_number="S1"): 1,
        replace(ROOM.machine, device_serial_number=""): 2,
        Machine(station_name="CT0"): 1,
        Machine(station_name="CT1"): 1,
        OTHER_MACHINES: 3,
    }
    assert {view for _, view, *_ in kept(site)} == {"PA", OTHER_VIEW}
    assert [group.kvp_band for group in site.ledger.drift.groups() if group.machine_id == 1] == [KvpBand.HIGH]
    assert len(site.ledger.drift.groups()) == len(seen)


@pytest.mark.parametrize(
    ("kvp", "band"),
    [(None, "unknown"), (60.0, "low"), (80.0, "low"), (80.1, "medium"), (99.9, "medium"), (100.0, "high")],
)
def test_voltages_fall_into_the_bands_of_children_s_and_adults_technique(kvp: float | None, band: str) -> None:
    assert Acquisition(kvp=kvp).kvp_band == band


def test_the_distance_is_kept_of_images_that_are_analysed_and_of_those_that_are_too_far(site: SampleSite) -> None:
    site.receive(acquisition=ROOM)
    claim = site.claim()
    site.ledger.results.save_prediction(
        claim, prediction(0.9), pixel_digest="p", flags=(), priority=Priority.URGENT, distance=0.75
    )
    site.receive(acquisition=ROOM)
    claim = site.claim()
    reason = Reason.UNLIKE_TRAINING
    site.ledger.results.save_out_of_scope(claim, reason, is_chest=True, pixel_digest="q", flags=(), distance=3.5)
    assert [distance for *_, distance in kept(site)] == [0.75, 3.5]


def test_an_image_that_is_analysed_again_keeps_its_machine(site: SampleSite) -> None:
    site.receive(acquisition=ROOM)
    site.infer(0.9)
    assert site.ledger.remedies.reanalyse(Which(), lambda _: True) == 1
    assert kept(site) == [("ROOM1", "PA", 110.0, None)] * 2


@pytest.mark.parametrize("text", ["Röntgen 1", "放射線科", "a" * 64])
def test_postgresql_takes_what_the_reader_lets_pass(text: str, postgres_url: str, tmp_path: Path) -> None:
    site = SampleSite(tmp_path / "data", postgres_url)
    site.receive(acquisition=Acquisition(Machine(text, text, text, text), "PA", None))
    assert [station for station, *_ in kept(site)] == [text]
    site.close()
