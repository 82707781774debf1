"""Kill -9 of the process that hears HL7: what it acknowledged is kept, once, and what it did not is sent again."""

import signal
from collections import Counter
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import Popen

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.ledger.order_records import OrderRecord
from tests.forked import Forked
from tests.invariants import Invariant
from tests.journeys.faulty import Moment, Trap
from tests.journeys.gateway import gateway
from tests.servers import free_port, wait_until
from tests.service.hl7.conversation import Sender
from tests.service.hl7.samples import order

STEP = "service.ledger.orders:Orders.hear"
#: Before the commit, behind it, and behind a later one.
STEPS: tuple[tuple[Moment, int], ...] = (("before", 1), ("after", 1), ("after", 3))


@pytest.mark.proves(Invariant.ORDERS_ARE_KEPT)
def test_a_message_that_was_acknowledged_survives_kill_9_of_the_listener_at_each_step(tmp_path: Path) -> None:
    port, acknowledged, waiting = free_port(), Counter[str](), [f"K{number}" for number in range(9)]

    def speak() -> bool:
        """Send what waits until the connection breaks, as a sender does; return whether the listener was there."""
        with suppress(OSError, EOFError), Sender(port) as ris:
            while waiting:
                if ris.send(order(number=waiting[0])) != [f"AA|{waiting[0]}"]:
                    return False
                acknowledged[waiting.pop(0)] += 1
        return True

    def has_died(process: Popen[bytes] | Forked) -> bool:
        speak()
        return process.poll() is not None

    with gateway(tmp_path, parts=(), hl7={"port": port}) as running:
        for index, (moment, number) in enumerate(STEPS):
            folder = tmp_path / f"trap-{index}"
            folder.mkdir()
            trap = Trap(folder, (STEP,))
            trap.set(STEP, moment, number)
            process = running.start("listen-hl7", trap)
            wait_until(partial(has_died, process), "it dies at its step", 60.0, 0.1)
            assert process.returncode == -signal.SIGKILL
            running.processes.pop("listen-hl7")
        running.start("listen-hl7")
        wait_until(lambda: speak() and not waiting, "it hears all that waits", 60.0, 0.2)
        with Session(running.ledger.engine) as session:
            kept = Counter(session.scalars(select(OrderRecord.message_id)))
        assert acknowledged == Counter({f"K{number}": 1 for number in range(9)})
        assert kept == acknowledged
        running.ledger.engine.dispose()
