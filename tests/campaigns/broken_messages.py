"""Broken data sets in good messages, over kept associations: of C-STORE, N-ACTION and N-EVENT-REPORT."""

import random
from collections.abc import Callable

from tests.campaigns.bystanders import HUNG_S, Findings
from tests.campaigns.mutation import COMMITMENT_CONTEXTS, CONTEXTS, PROPOSED, Mutator
from tests.service.dicom.raw_commitment import (
    COMMITMENT,
    N_EVENT_REPORT,
    action_command,
    event_command,
    event_response,
)
from tests.service.dicom.raw_scu import CR, Ended, Message, RawAssociation, pdu, store_command

#: Messages over one association.
_EACH = 20
#: What a broken data set may be answered with, by its message.
_STATUSES: dict[str, Callable[[int], bool]] = {
    "C-STORE": lambda status: status in (0x0000, 0xA900) or status >> 8 == 0xC0,
    "N-ACTION": lambda status: status in (0x0000, 0x0115),
    # None of our transactions has the UID that it names.
    "N-EVENT-REPORT": lambda status: status == 0x0115,
}
#: But for storage commitment, one of more bytes.
_TOO_LARGE_BYTES, _TOO_LARGE = 1 << 20, 0x0213


def send_data_sets(port: int, number: int, seed: int, findings: Findings) -> None:
    """Send broken data sets in good messages: each must get a status, and the association goes on."""
    mutator = Mutator(random.Random(seed))
    # How many answers come is a matter of time; what is sent is not.
    answers = random.Random(seed)
    sent = 0
    while sent < number:
        findings.connections += 1
        with RawAssociation(port, PROPOSED, calling="FUZZ", timeout_s=HUNG_S, roles=(COMMITMENT,)) as association:
            for _ in range(min(_EACH, number - sent)):
                sent += 1
                name, command, data, context_id = _message(mutator, f"2.25.{seed}{sent:08}")
                try:
                    association.request(command, data, context_id)
                    status = _status(association, answers, findings)
                except (Ended, OSError) as error:
                    findings.wrong.append(f"no status ({type(error).__name__}) for {name} {data[:400].hex()}")
                    break
                findings.statuses[name, status] += 1
                is_large = name != "C-STORE" and len(data) > _TOO_LARGE_BYTES
                if status != _TOO_LARGE if is_large else not _STATUSES[name](status):
                    findings.wrong.append(f"0x{status:04X} for {name} {data[:400].hex()}")
            else:
                _release(association, findings)


def _message(mutator: Mutator, uid: str) -> tuple[str, bytes, bytes, int]:
    """Return a message's name, its command set, its broken data set, and its presentation context."""
    name = mutator.chance.choice(("C-STORE", "C-STORE", "C-STORE", "N-ACTION", "N-EVENT-REPORT"))
    if name == "C-STORE":
        syntax = mutator.chance.choice(list(CONTEXTS))
        return name, store_command(CR, uid), mutator.data_set(syntax, uid), CONTEXTS[syntax]
    syntax = mutator.chance.choice(list(COMMITMENT_CONTEXTS))
    command = action_command() if name == "N-ACTION" else event_command(event=mutator.chance.choice((1, 2)))
    return name, command, mutator.commitment(syntax, uid), COMMITMENT_CONTEXTS[syntax]


def _status(association: RawAssociation, chance: random.Random, findings: Findings) -> int:
    """Return the status of the response; answer meanwhile what the listener reports of earlier requests."""
    while True:
        message = association.message()
        if (status := message.number(0x0900)) is not None:
            return status
        _answer(association, message, chance, findings)


def _answer(association: RawAssociation, message: Message, chance: random.Random, findings: Findings) -> None:
    """Answer an N-EVENT-REPORT: well, or with another status, to another message, or without a status."""
    if message.number(0x0100) != N_EVENT_REPORT:
        raise Ended(f"a command of {message.number(0x0100)} without a status")
    findings.told += 1
    number = chance.choice((message.number(0x0110) or 0, 0, 0xFFFF))
    status = chance.choice((0x0000, 0x0000, 0x0110, 0xFFFF, None))
    association.request(event_response(number, status), None, message.context_id)


def _release(association: RawAssociation, findings: Findings) -> None:
    """Release; what the listener had to say before it heard of that is passed over."""
    association.connection.sendall(pdu(0x05, bytes(4)))
    while True:
        kind, _ = association.receive()
        if kind == 0x06:
            return
        if kind != 0x04:
            findings.wrong.append(f"a release was answered with PDU type {kind}")
            return
