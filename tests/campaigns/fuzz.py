"""Fuzzing: broken PDUs and data sets against a listener that runs, while others are served.

``python -m tests.campaigns.fuzz --help``; `make fuzz` runs it.
"""

import argparse
import asyncio
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaigns.mutation import CONTEXTS, PROPOSED, Mutator
from tests.campaigns.verdict import told_too_much
from tests.campaigns.vitals import Vitals, settled
from tests.journeys.gateway import Gateway, gateway
from tests.service.dicom.raw_scu import Ended, RawAssociation, association_request, header

#: Broken objects over one association.
_EACH = 20
#: A connection that is neither answered nor closed within this time counts as hung.
_HUNG_S = 30.0
#: What a listener may hold more than before, after any number of broken messages: caches and the allocator's slack.
MEMORY_BOUND_BYTES = 48 << 20
#: Handles of the ledger's connections, two each, that the pool of five opens one by one under load and keeps.
POOLED_HANDLES = 8
#: A sender that keeps the rules waits no longer than this while others do not, on a machine that is busy with fuzzing.
PATIENCE_S = 10.0
_LISTENER = {"acse_timeout": 3.0, "dimse_timeout": 3.0, "network_timeout": 6.0, "maximum_associations": 60}


@dataclass
class Findings:
    """What was seen, and what is wrong."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    connections: int = 0
    longest_wait_s: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a campaign found; `wrong` is empty when all is well."""

    number: int
    findings: Findings
    before: Vitals
    after: Vitals
    took_s: float

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong."""
        return self.findings.wrong

    def text(self) -> str:
        """Return it in words."""
        found = self.findings
        answers = ", ".join(f"0x{status:04X} {times}" for status, times in sorted(found.statuses.items()))
        return "\n".join(
            [
                f"{self.number} broken messages over {found.connections} connections in {self.took_s:.0f} s",
                f"answers to broken data sets: {answers}",
                f"the listener before: {self.before}; after: {self.after}",
                f"a sender that keeps the rules waited {found.longest_wait_s:.2f} s at most",
                *(f"WRONG: {item}" for item in self.wrong[:50]),
            ]
        )


def run(number: int, seed: int, folder: Path) -> Outcome:
    """Send so many broken messages, half of them PDUs and half data sets, to a listener in an empty folder."""
    with gateway(folder, parts=["listen"], listener=_LISTENER) as running:
        pid = running.processes["listen"].pid
        fresh = settled(pid, lambda vitals: vitals.sockets <= 1)
        _batter(running, min(400, number), seed + 1, Findings())
        before = settled(pid, lambda vitals: vitals.threads <= fresh.threads)
        findings, started = Findings(), time.monotonic()
        with _bystanders(running.port, findings):
            _batter(running, number, seed, findings)
        took_s = time.monotonic() - started
        # Associations that nobody ended are cut off by their time-outs.
        calm = before.handles + POOLED_HANDLES
        after = settled(pid, lambda vitals: vitals.threads <= before.threads and vitals.handles <= calm)
        findings.wrong += _leaks(before, after) + told_too_much(running.output())
        if running.processes["listen"].poll() is not None:
            findings.wrong.append("the listener died")
    return Outcome(number, findings, before, after, took_s)


def _leaks(before: Vitals, after: Vitals) -> list[str]:
    found = []
    if after.threads > before.threads:
        found.append(f"{after.threads - before.threads} threads are left over")
    if after.handles > before.handles + POOLED_HANDLES:
        found.append(f"{after.handles - before.handles} file handles are left over")
    if after.memory_bytes - before.memory_bytes > MEMORY_BOUND_BYTES:
        found.append(f"memory grew by {(after.memory_bytes - before.memory_bytes) >> 20} MiB")
    return found


def _batter(running: Gateway, number: int, seed: int, findings: Findings) -> None:
    """Send the PDUs from an event loop, the data sets over kept associations from threads."""
    data_sets = number // 2
    with ThreadPoolExecutor(3) as pool:
        parts = [
            pool.submit(_send_data_sets, running.port, data_sets // 2, seed * 10 + worker, findings)
            for worker in range(2)
        ]
        parts.append(pool.submit(asyncio.run, _send_pdus(running.port, number - data_sets, seed, findings)))
        for part in parts:
            part.result()


async def _send_pdus(port: int, number: int, seed: int, findings: Findings) -> None:
    mutator = Mutator(random.Random(seed))
    places = asyncio.Semaphore(12)

    async def send(message: bytes) -> None:
        async with places:
            findings.connections += 1
            try:
                await asyncio.wait_for(_converse(port, message), _HUNG_S)
            except TimeoutError:
                findings.wrong.append(f"neither answered nor closed after {_HUNG_S:g} s: {message[:200].hex()}")

    pending: set[asyncio.Task[None]] = set()
    for _ in range(number):
        pending.add(asyncio.ensure_future(send(mutator.pdus())))
        if len(pending) > 100:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*pending)


async def _converse(port: int, message: bytes) -> None:
    """Send everything, say that this was all, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionError):
        writer.write(message)
        writer.write_eof()
        while await reader.read(65536):
            pass
    writer.close()


def _send_data_sets(port: int, number: int, seed: int, findings: Findings) -> None:
    """Send broken data sets in good messages: each must get a status, and the association goes on."""
    chance = random.Random(seed)
    mutator = Mutator(chance)
    sent = 0
    while sent < number:
        findings.connections += 1
        with RawAssociation(port, PROPOSED, calling="FUZZ", timeout_s=_HUNG_S) as association:
            for _ in range(min(_EACH, number - sent)):
                sent += 1
                uid, syntax = f"2.25.{seed}{sent:08}", chance.choice(list(CONTEXTS))
                data = mutator.data_set(syntax, uid)
                try:
                    answer = association.store(data, sop_instance_uid=uid, context_id=CONTEXTS[syntax])
                except (Ended, OSError) as error:
                    findings.wrong.append(f"no status ({type(error).__name__}) for {syntax} {data[:400].hex()}")
                    break
                findings.statuses[answer.status] += 1
                if answer.status not in (0x0000, 0xA900) and answer.status >> 8 != 0xC0:
                    findings.wrong.append(f"0x{answer.status:04X} {answer.comment!r} for {syntax} {data[:400].hex()}")
            else:
                association.release()


@contextmanager
def _bystanders(port: int, findings: Findings) -> Iterator[None]:
    """Keep silent and slow peers at the door, and a sender who must not suffer from them, until the block ends."""
    stop = threading.Event()
    peers = [
        threading.Thread(target=work, args=(port, stop), daemon=True) for work in [_be_silent] * 4 + [_be_slow] * 4
    ]
    sender = threading.Thread(target=_keep_the_rules, args=(port, stop, findings), daemon=True)
    for thread in (*peers, sender):
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in (*peers, sender):
            thread.join()


def _again_and_again(stop: threading.Event, visit: Callable[[], None]) -> None:
    while not stop.is_set():
        with suppress(Ended, OSError):
            visit()


def _be_silent(port: int, stop: threading.Event) -> None:
    """Connect, or associate, and say nothing."""

    def visit() -> None:
        with RawAssociation(port, calling="SILENT") as association:
            association.begin()
            association.connection.settimeout(0.5)
            while not stop.is_set():
                with suppress(TimeoutError):
                    association.receive()

    _again_and_again(stop, visit)


def _be_slow(port: int, stop: threading.Event) -> None:
    """Send an association request byte by byte."""

    request = association_request(PROPOSED, calling="SLOW")

    def visit() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            for at in range(len(request) - 1):
                if stop.wait(0.2):
                    return
                connection.sendall(request[at : at + 1])

    _again_and_again(stop, visit)


def _keep_the_rules(port: int, stop: threading.Event, findings: Findings) -> None:
    """Store an object each second over an association of its own."""
    number = 0
    while not stop.wait(0.5):
        number += 1
        uid, started = f"2.25.77{number:08}", time.monotonic()
        try:
            with RawAssociation(port, calling="GOOD", timeout_s=_HUNG_S) as association:
                status = association.store(header(uid), sop_instance_uid=uid).status
        except (Ended, OSError) as error:
            findings.wrong.append(f"a sender that keeps the rules was kept out ({type(error).__name__}: {error})")
            continue
        waited_s = time.monotonic() - started
        findings.longest_wait_s = max(findings.longest_wait_s, waited_s)
        if status != 0 or waited_s > PATIENCE_S:
            findings.wrong.append(f"a sender that keeps the rules got 0x{status:04X} after {waited_s:.1f} s")


def main() -> None:
    """Run the campaign as the command line says; exit with 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="auscult-fuzz-") as folder:
        outcome = run(chosen.number, chosen.seed, Path(folder))
    print(outcome.text())  # noqa: T201 - a program
    sys.exit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
