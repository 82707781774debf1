"""Fuzzing: broken PDUs and data sets against a listener that runs, while others are served.

``python -m tests.campaigns.fuzz --help``; `make fuzz` runs it.
"""

import argparse
import asyncio
import random
import socket
import ssl
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.ledger.commitment_quota import MOST_OF_OTHERS
from service.ledger.records import CommitmentRequestRecord
from tests.campaigns.broken_messages import send_data_sets
from tests.campaigns.bystanders import GOOD, HUNG_S, Door, Findings, bystanders
from tests.campaigns.ending import end_in_order
from tests.campaigns.mutation import Mutator
from tests.campaigns.verdict import told_too_much
from tests.campaigns.vitals import Vitals, settled
from tests.certificates import Authority
from tests.journeys.gateway import Gateway, gateway
from tests.servers import free_port

#: Of the broken PDUs, so many go over TLS.
_SECURE = 0.15
#: What a listener may hold more than before, after any number of broken messages: caches and the allocator's slack.
MEMORY_BOUND_BYTES = 48 << 20
#: Handles of the ledger's connections, two each, that the pool of five opens one by one under load and keeps.
POOLED_HANDLES = 8
_LISTENER = {
    "acse_timeout": 3.0,
    "dimse_timeout": 3.0,
    "network_timeout": 6.0,
    "maximum_associations": 60,
    "commitment_patience": 0.1,
}


@dataclass(frozen=True)
class Outcome:
    """What a campaign found; `wrong` is empty when all is well."""

    number: int
    findings: Findings
    before: Vitals
    after: Vitals
    took_s: float
    #: Requests for storage commitment in the ledger, of those whom the settings do not name.
    rows: int

    @property
    def wrong(self) -> list[str]:
        """Everything that is wrong."""
        return self.findings.wrong

    def text(self) -> str:
        """Return it in words."""
        found = self.findings
        answers = ", ".join(
            f"{name} 0x{status:04X} {times}" for (name, status), times in sorted(found.statuses.items())
        )
        return "\n".join(
            [
                f"{self.number} broken messages in {self.took_s:.0f} s",
                f"over {found.connections} connections, {found.secure} of them over TLS",
                f"answers to broken data sets: {answers}",
                f"the listener before: {self.before}; after: {self.after}",
                f"broken peers were told {found.told} answers to storage commitment; {self.rows} requests stay",
                f"who keeps the rules was served {found.served} times and waited {found.longest_wait_s:.2f} s at most",
                *(f"WRONG: {item}" for item in self.wrong[:50]),
            ]
        )


def run(number: int, seed: int, folder: Path) -> Outcome:
    """Send so many broken messages, half of them PDUs and half data sets, to a listener in an empty folder."""
    authority, tls_port = Authority(folder), free_port()
    shown = authority.issue("peer")
    tls = {**authority.issue("auscult").settings(), "ca": str(authority.ca), "port": tls_port}
    good = {"ae_title": GOOD, "host": "127.0.0.1", "port": free_port()}
    tables: dict[str, Any] = {"listener": _LISTENER, "listener.tls": tls}
    with gateway(folder, parts=["listen"], peers=[good], **tables) as running:
        context = ssl.create_default_context(cafile=str(authority.ca))
        context.load_cert_chain(shown.certificate, shown.key)
        door = Door(running.port, tls_port, context)
        pid = running.processes["listen"].pid
        fresh = settled(pid, lambda vitals: vitals.sockets <= 2)
        _batter(door, min(400, number), seed + 1, Findings())
        before = settled(pid, lambda vitals: vitals.threads <= fresh.threads)
        findings, started = Findings(), time.monotonic()
        with bystanders(door, findings):
            _batter(door, number, seed, findings)
        took_s = time.monotonic() - started
        # Associations that nobody ended are cut off by their time-outs.
        calm = before.handles + POOLED_HANDLES
        after = settled(pid, lambda vitals: vitals.threads <= before.threads and vitals.handles <= calm)
        findings.wrong += _leaks(before, after) + told_too_much(running.output())
        if running.processes["listen"].poll() is not None:
            findings.wrong.append("the listener died")
        rows = _rows_of_strangers(running)
        if rows > MOST_OF_OTHERS:
            findings.wrong.append(f"{rows} requests for storage commitment are kept")
    return Outcome(number, findings, before, after, took_s, rows)


def _rows_of_strangers(running: Gateway) -> int:
    return sum(row.requestor_ae_title != GOOD for row in running.rows(CommitmentRequestRecord))


def _leaks(before: Vitals, after: Vitals) -> list[str]:
    found = []
    if after.threads > before.threads:
        found.append(f"{after.threads - before.threads} threads are left over")
    if after.handles > before.handles + POOLED_HANDLES:
        found.append(f"{after.handles - before.handles} file handles are left over")
    if after.memory_bytes - before.memory_bytes > MEMORY_BOUND_BYTES:
        found.append(f"memory grew by {(after.memory_bytes - before.memory_bytes) >> 20} MiB")
    return found


def _batter(door: Door, number: int, seed: int, findings: Findings) -> None:
    """Send the PDUs from an event loop, the data sets over kept associations from threads."""
    data_sets = number // 2
    with ThreadPoolExecutor(3) as pool:
        parts = [
            pool.submit(send_data_sets, door.port, data_sets // 2, seed * 10 + worker, findings) for worker in range(2)
        ]
        parts.append(pool.submit(asyncio.run, _send_pdus(door, number - data_sets, seed, findings)))
        for part in parts:
            part.result()


async def _send_pdus(door: Door, number: int, seed: int, findings: Findings) -> None:
    chance = random.Random(seed)
    mutator = Mutator(chance)
    places = asyncio.Semaphore(12)

    async def send(message: bytes, tls: ssl.SSLContext | None) -> None:
        async with places:
            findings.connections += 1
            findings.secure += tls is not None
            try:
                await asyncio.wait_for(_converse(door, message, tls), HUNG_S)
            except TimeoutError:
                how = "in the plain" if tls is None else "over TLS"
                findings.wrong.append(f"neither answered nor closed {how} after {HUNG_S:g} s: {message[:200].hex()}")

    pending: set[asyncio.Task[None]] = set()
    for _ in range(number):
        message, tls = mutator.pdus(), door.tls if chance.random() < _SECURE else None
        pending.add(asyncio.ensure_future(send(message, tls)))
        if len(pending) > 100:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*pending)


async def _converse(door: Door, message: bytes, tls: ssl.SSLContext | None) -> None:
    """Send everything, say that this was all, and read to the end."""
    port = door.port if tls is None else door.tls_port
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    with suppress(ConnectionError, ssl.SSLError):
        writer.write(message)
        await writer.drain()
        if tls is None:
            writer.write_eof()
        else:
            # TLS has no half-closed connections; below it, the peer has hung up.
            with suppress(OSError):
                writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        while await reader.read(65536):
            pass
    writer.close()


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
    end_in_order()
    main()
