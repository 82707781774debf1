"""What is urgent is analysed first, and stands first in the worklist."""

import json

from service.vocabulary.states import Priority, State
from tests.journeys.conftest import SharedGateway
from tests.phantoms import chest
from tests.servers import wait_until

HIGH = 0x0001


def test_an_urgent_image_that_comes_last_is_analysed_first_and_read_first(shared_gateway: SharedGateway) -> None:
    gateway = shared_gateway.gateway
    gateway.stop("work infer")
    routine = [chest(300 + number) for number in range(8)]
    stat = chest(320)
    for source in routine:
        assert gateway.send(source) == 0x0000
    assert gateway.send(stat, priority=HIGH) == 0x0000
    assert {gateway.version(source).state for source in (*routine, stat)} == {State.RECEIVED}
    gateway.start("work infer")
    gateway.wait_until_settled()
    claimed = [row.instance_id for row in gateway.events() if row.event == "claimed"]
    mine = [gateway.version(source).id for source in (stat, *routine)]
    # More images than one batch holds: the urgent one is in the first, the last routine one is not.
    assert [number for number in claimed if number in mine] == mine
    uids = [str(source.StudyInstanceUID) for source in (stat, *routine)]
    rows = json.loads(gateway.auscult("worklist", "--json", "--limit", "1000"))["rows"]
    listed = [row["study_instance_uid"] for row in rows]
    assert listed.index(uids[0]) < min(listed.index(uid) for uid in uids[1:])
    first = rows[listed.index(uids[0])]
    assert (first["priority"], first["priority_source"]) == ("stat", "C-STORE priority")


def test_an_order_of_high_priority_raises_its_study_and_says_who_asked(shared_gateway: SharedGateway) -> None:
    source = chest(321)
    assert shared_gateway.gateway.send(source, priority=HIGH) == 0x0000
    shared_gateway.gateway.wait_until_settled()
    study = shared_gateway.gateway.ledger.reading_list.page(1000).studies
    (view,) = [view for view in study if view.study_instance_uid == source.StudyInstanceUID]
    assert (view.priority, view.priority_source) == (Priority.STAT, "C-STORE priority")


def test_a_routine_image_is_in_the_archive_soon_after_it_is_acknowledged(shared_gateway: SharedGateway) -> None:
    source = chest(322)
    assert shared_gateway.gateway.send(source) == 0x0000
    wait_until(lambda: len(shared_gateway.pacs.of(source)) == 3, "three reports", 15)
