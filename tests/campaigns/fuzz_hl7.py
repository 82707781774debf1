"""Fuzzing the listener for HL7: broken blocks against a process that runs, while a RIS that keeps the rules is served.

``python -m tests.campaigns.fuzz_hl7 --help``; `make fuzz` runs it.
"""

import argparse
import random
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from service.hl7.encoding import block
from tests.campaigns.mutation import Mutator
from tests.campaigns.verdict import told_too_much
from tests.campaigns.vitals import Vitals, settled
from tests.journeys.gateway import gateway
from tests.servers import free_port, wait_until
from tests.service.hl7.conversation import Sender
from tests.service.hl7.samples import order, result

#: What the listener may hold more than before, and how long a good message may take beside broken ones.
MEMORY_BOUND_BYTES, PATIENCE_S = 32 << 20, 5.0
#: Of the broken messages, one in so many is followed by a good one of another sender.
_EVERY = 20


@dataclass
class Hl7Outcome:
    """What a campaign found; `wrong` is empty when all is well."""

    number: int
    answers: dict[str, int] = field(default_factory=dict)
    served: int = 0
    longest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return it in words."""
        answers = ", ".join(f"{code} {count}" for code, count in sorted(self.answers.items()))
        lines = [
            f"{self.number} broken messages of HL7; answers: {answers}",
            f"who keeps the rules was served {self.served} times and waited {self.longest_s:.2f} s at most",
        ]
        return "\n".join([*lines, *(f"WRONG: {item}" for item in self.wrong[:50])])


def run(number: int, seed: int, folder: Path) -> Hl7Outcome:
    """Send so many broken messages."""
    port, found, mutator = free_port(), Hl7Outcome(number), Mutator(random.Random(seed))
    settings = {"port": port, "message_timeout": 1.0, "idle_timeout": 60.0, "maximum_message_bytes": 65536}
    with gateway(folder, parts=("listen-hl7",), hl7=settings) as running:
        wait_until(lambda: _answers(port), "the listener answers", 60.0)
        pid = running.processes["listen-hl7"].pid
        before = Vitals.of(pid)
        for index in range(number):
            if index % _EVERY == 0:
                _serve_good(port, index, found)
            _send_broken(port, mutator, found)
        _serve_good(port, number, found)
        after = settled(pid, lambda vitals: vitals.sockets <= before.sockets)
        if after.memory_bytes > before.memory_bytes + MEMORY_BOUND_BYTES or after.sockets > before.sockets:
            found.wrong.append(f"the listener before: {before}; after: {after}")
        running.stop("listen-hl7")
        # What is broken is random text, in which nobody's name is looked for; a traceback is.
        found.wrong += told_too_much(running.output())
        if "a fault of auscult's own" in running.output():
            found.wrong.append("a message was answered as unforeseen")
    return found


def _answers(port: int) -> bool:
    with suppress(OSError, EOFError), Sender(port) as ris:
        return ris.send(order(number="FIRST")) == ["AA|FIRST"]
    return False


def _serve_good(port: int, index: int, found: Hl7Outcome) -> None:
    began, name = time.monotonic(), f"GOOD{index}"
    with Sender(port) as ris:
        codes = ris.send(order(number=name), result(number=f"{name}R"))
    if codes != [f"AA|{name}", f"AA|{name}R"]:
        found.wrong.append(f"a good message was answered {codes}")
    found.served += 1
    found.longest_s = max(found.longest_s, time.monotonic() - began)
    if found.longest_s > PATIENCE_S:
        found.wrong.append(f"a good message took {found.longest_s:.1f} s")


def _send_broken(port: int, mutator: Mutator, found: Hl7Outcome) -> None:
    """Send a broken block: within its marks, or with them broken too."""
    chance = mutator.chance
    content = chance.choice((order, result))(number=f"B{chance.randrange(1000)}")
    sent = mutator.octets(block(content)) if chance.random() < 0.3 else block(mutator.octets(content))
    with suppress(OSError, EOFError), Sender(port) as broken:
        broken.socket.settimeout(0.5)
        broken.socket.sendall(sent)
        broken.socket.shutdown(socket.SHUT_WR)
        code = broken.code()[:2]
        found.answers[code] = found.answers.get(code, 0) + 1


def main() -> None:
    """Run the campaign and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = run(arguments.number, arguments.seed, Path(folder))
    sys.stdout.write(f"{found.text()}\n")
    sys.exit(bool(found.wrong))


if __name__ == "__main__":
    main()
