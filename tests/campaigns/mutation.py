"""Turns good messages into bad ones, at random and repeatably."""

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from tests.service.dicom.raw_commitment import (
    COMMITMENT,
    VERIFICATION,
    action_command,
    cancel_command,
    echo_command,
    event_command,
    event_response,
    information,
)
from tests.service.dicom.raw_scu import (
    CR,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    association_request,
    data_pdu,
    element,
    header,
    pdu,
    store_command,
)

BIG_ENDIAN = "1.2.840.10008.1.2.2"
#: Presentation context ID by transfer syntax.
CONTEXTS = {EXPLICIT: 1, IMPLICIT: 3, DEFLATED: 5, BIG_ENDIAN: 7}
#: The same for storage commitment.
COMMITMENT_CONTEXTS = {EXPLICIT: 9, IMPLICIT: 11}
ECHO_CONTEXT = 13
PROPOSED = [
    *((number, CR, (syntax,)) for syntax, number in CONTEXTS.items()),
    *((number, COMMITMENT, (syntax,)) for syntax, number in COMMITMENT_CONTEXTS.items()),
    (ECHO_CONTEXT, VERIFICATION, (IMPLICIT,)),
]
_LENGTHS = (0, 1, 2, 0xFF, 0x7FFF, 0xFFFE, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_VRS = (b"UI", b"SQ", b"UN", b"OW", b"PN", b"UT", b"IS", b"AT", b"??", b"\0\0", b"ui")


@dataclass
class Mutator:
    """Breaks things."""

    chance: random.Random

    def octets(self, data: bytes) -> bytes:
        """Change some bytes, wherever they are: flipped, set, cut, doubled, or taken for a length."""
        broken = bytearray(data)
        for _ in range(self.chance.choice((1, 1, 2, 4, 16))):
            if not broken:
                return bytes(broken)
            at = self.chance.randrange(len(broken))
            match self.chance.randrange(7):
                case 0:
                    broken[at] ^= 1 << self.chance.randrange(8)
                case 1:
                    broken[at] = self.chance.choice((0, 0xFF, 0x5C, 0x1B, self.chance.randrange(256)))
                case 2:
                    del broken[at : at + self.chance.choice((1, 2, 8, 64))]
                case 3:
                    broken[at:at] = broken[at : at + self.chance.choice((1, 4, 32))]
                case 4:
                    del broken[at:]
                case 5:
                    size = self.chance.choice((2, 4))
                    order = self.chance.choice(("little", "big"))
                    value = self.chance.choice(_LENGTHS) % 256**size
                    broken[at : at + size] = value.to_bytes(size, order)
                case 6:
                    broken[at:at] = self.chance.randbytes(self.chance.choice((1, 8, 200)))
        return bytes(broken)

    def object(self, data: bytes) -> bytes:
        """Change an encoded data set somewhere in its header, or anywhere."""
        head = self.chance.choice((256, 1024, 2048))
        return self.octets(data[:head]) + data[head:] if self.chance.random() < 0.6 else self.octets(data)

    def pdus(self) -> bytes:
        """Return what a peer sends over one connection: an association whose PDUs are broken, or in no order."""
        kinds = self.chance.choices(list(_MESSAGES), [4, 1, 1, 2, 2, 1], k=self.chance.choice((1, 1, 2, 3)))
        uid = f"2.25.{self.chance.randrange(10**9)}"
        sent = [
            association_request(PROPOSED, calling="FUZZ", roles=(COMMITMENT,)),
            *(part for kind in kinds for part in _MESSAGES[kind](uid)),
            pdu(0x05, bytes(4)),
        ]
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            at = self.chance.randrange(len(sent))
            match self.chance.randrange(8):
                case 0:
                    sent[at : at + 1] = [sent[at], sent[at]]
                case 1:
                    del sent[at]
                case 2:
                    self.chance.shuffle(sent)
                case 3:
                    sent[at] = bytes([self.chance.randrange(256)]) + sent[at][1:]
                case 4:
                    sent[at] = sent[at][:2] + struct.pack(">L", self.chance.choice(_LENGTHS)) + sent[at][6:]
                case _:
                    sent[at] = self.octets(sent[at])
            if not sent:
                break
        return b"".join(sent)

    def data_set(self, syntax: str, sop_instance_uid: str) -> bytes:
        """Return a broken data set in a transfer syntax."""
        plain = self.elements([_as(syntax, piece) for piece in _split(header(sop_instance_uid))])
        if syntax != DEFLATED:
            return plain
        compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        deflated = compressor.compress(plain) + compressor.flush()
        return deflated if self.chance.random() < 0.5 else self.octets(deflated)

    def commitment(self, syntax: str, transaction_uid: str) -> bytes:
        """Return a broken data set of a request for storage commitment, or of an answer to one."""
        uids = [f"{transaction_uid}.{number}" for number in range(self.chance.choice((1, 2, 20)))]
        return self.elements(information(transaction_uid, uids, uids[: self.chance.choice((0, 1))], syntax))

    def elements(self, pieces: list[bytes]) -> bytes:
        """Break encoded elements, or put them in disorder."""
        for _ in range(self.chance.choice((1, 1, 2, 3))):
            at = self.chance.randrange(len(pieces))
            match self.chance.randrange(9):
                case 0:
                    del pieces[at]
                case 1:
                    pieces[at : at + 1] = [pieces[at]] * self.chance.choice((2, 50))
                case 2:
                    self.chance.shuffle(pieces)
                case 3:
                    pieces[at] = pieces[at][:4] + self.chance.choice(_VRS) + pieces[at][6:]
                case 4:
                    length = struct.pack("<H", self.chance.choice(_LENGTHS) & 0xFFFF)
                    pieces[at] = pieces[at][:6] + length + pieces[at][8:]
                case 5:
                    pieces[at:at] = [_nested(self.chance.choice((1, 5, 100, 3000)))]
                case 6:
                    value = self.chance.randbytes(self.chance.choice((0, 1, 17, 5000)))
                    pieces[at] = element(int.from_bytes(pieces[at][:2], "little") << 16 | 0x0010, "LO", value)
                case _:
                    pieces[at] = self.octets(pieces[at])
            if not pieces:
                break
        return b"".join(pieces)


def _stored(uid: str) -> list[bytes]:
    return [
        data_pdu(1, 0x03, store_command(CR, uid)),
        data_pdu(1, 0x00, header(uid)),
        data_pdu(1, 0x02, b""),
    ]


def _of_commitment(command: bytes, uid: str) -> list[bytes]:
    context_id = COMMITMENT_CONTEXTS[EXPLICIT]
    return [data_pdu(context_id, 0x03, command), data_pdu(context_id, 0x02, b"".join(information(uid, [uid])))]


#: The PDUs of a message by its kind. An N-EVENT-REPORT comes from the SCP that we asked, its response from the SCU that
#: asked us.
_MESSAGES: dict[str, Callable[[str], list[bytes]]] = {
    "C-STORE": _stored,
    "C-ECHO": lambda _: [data_pdu(ECHO_CONTEXT, 0x03, echo_command())],
    "C-CANCEL": lambda _: [data_pdu(ECHO_CONTEXT, 0x03, cancel_command())] * 12,
    "N-ACTION": lambda uid: _of_commitment(action_command(), uid),
    "N-EVENT-REPORT": lambda uid: _of_commitment(event_command(), uid),
    "N-EVENT-REPORT response": lambda uid: [
        *_of_commitment(action_command(), uid),
        data_pdu(COMMITMENT_CONTEXTS[EXPLICIT], 0x03, event_response(1, 0x0000)),
    ],
}


def _split(data: bytes) -> list[bytes]:
    """Cut a data set in explicit VR little endian, of short elements alone, into its elements."""
    pieces, at = [], 0
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at + 6 : at + 8], "little")
        pieces.append(data[at:end])
        at = end
    return pieces


def _as(syntax: str, piece: bytes) -> bytes:
    """Return an element in explicit VR little endian, of short length, in another transfer syntax."""
    group, number, vr, length = struct.unpack_from("<HH2sH", piece)
    if syntax == IMPLICIT:
        return struct.pack("<HHL", group, number, length) + piece[8:]
    return struct.pack(">HH2sH", group, number, vr, length) + piece[8:] if syntax == BIG_ENDIAN else piece


def _nested(depth: int) -> bytes:
    """Return a sequence of undefined length in a sequence in a sequence, none of which ends."""
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    return (struct.pack("<HH2sHL", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF) + item) * depth
