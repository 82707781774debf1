"""What destinations answer to an association request, as odd as they do; and what is right for each."""

import struct
from dataclasses import dataclass
from functools import partial

from tests.service.dicom.odd_requests import item
from tests.service.dicom.raw_scp import Answer, accept
from tests.service.dicom.raw_scu import pdu

_AC = "PS3.8 section 9.3.3 and Table 9-17; items of unrecognized types are ignored and skipped (9.3.1)"
_RJ = "PS3.8 section 9.3.4 and Table 9-21"


@dataclass(frozen=True)
class OddAnswer:
    """One answer.

    Attributes
    ----------
    refused
        What the words on the failure must hold; none where the association is good.
    """

    name: str
    answer: Answer
    source: str
    refused: str | None = None


def _says(encoded: bytes | None) -> Answer:
    return lambda _: encoded


def _reject(result: int, source: int, reason: int) -> Answer:
    return _says(pdu(0x03, bytes((0, result, source, reason))))


_CLASS = item(0x52, b"2.25.1")

GOOD_ANSWERS: tuple[OddAnswer, ...] = tuple(
    OddAnswer(name, answer, _AC)
    for name, answer in (
        ("no Maximum Length item", partial(accept, information=item(0x50, _CLASS))),
        ("Maximum Length item of 2 bytes", partial(accept, information=item(0x50, item(0x51, b"\x40\0") + _CLASS))),
        ("Maximum Length of 1", partial(accept, information=item(0x50, item(0x51, b"\0\0\0\1") + _CLASS))),
        ("Maximum Length of 16", partial(accept, information=item(0x50, item(0x51, b"\0\0\0\x10") + _CLASS))),
        ("no user information at all", partial(accept, information=b"")),
        ("no implementation class UID", partial(accept, information=item(0x50, item(0x51, bytes(4))))),
        ("unknown item", partial(accept, more=item(0x99, b"abc"))),
        ("unknown sub-item", partial(accept, information=item(0x50, item(0x5F, b"abc") + _CLASS))),
        (
            "version name with NUL, too long",
            partial(accept, information=item(0x50, _CLASS + item(0x55, b"V" * 30 + b"\0"))),
        ),
        ("AE titles of NUL", partial(accept, titles=bytes(32))),
        ("AE titles of others, not printable", partial(accept, titles=b"\xff\x01SOMEBODY ELSE".ljust(32))),
        ("protocol version with more bits", partial(accept, version=0xFFFF)),
        ("no application context", partial(accept, application=None)),
        ("another application context", partial(accept, application=b"1.2.3\0")),
        ("transfer syntaxes padded with NUL", partial(accept, padding=b"\0")),
        (
            "contexts that nobody proposed",
            partial(accept, results=item(0x21, bytes((251, 0, 0, 0)) + item(0x40, b"1.2"))),
        ),
        ("an even context ID that nobody proposed", partial(accept, results=item(0x21, bytes(4)))),
        ("asynchronous operations", partial(accept, information=item(0x50, _CLASS + item(0x53, b"\0\5\0\5")))),
        ("a user identity answer", partial(accept, information=item(0x50, _CLASS + item(0x59, b"\0\0")))),
        ("roles that nobody selected", partial(accept, information=item(0x50, _CLASS + item(0x54, b"\0\x031.2\1\1")))),
        (
            "roles that lie about their length",
            partial(accept, information=item(0x50, _CLASS + item(0x54, b"\xff\xff1\1"))),
        ),
    )
)

BAD_ANSWERS: tuple[OddAnswer, ...] = (
    OddAnswer(
        "rejected: calling AE title", _reject(1, 1, 3), _RJ, "result 1, source 1, reason 3: it does not know our"
    ),
    OddAnswer("rejected: called AE title", _reject(1, 1, 7), _RJ, "reason 7: it does not know the called AE title"),
    OddAnswer("rejected: congestion", _reject(2, 3, 1), _RJ, "result 2, source 3, reason 1: temporary congestion"),
    OddAnswer("rejected with codes that PS3.8 does not have", _reject(9, 0, 44), _RJ, "result 9, source 0, reason 44"),
    OddAnswer("rejected by an empty PDU", _says(pdu(0x03, b"")), _RJ, "rejected the association"),
    OddAnswer(
        "aborted",
        _says(pdu(0x07, bytes((0, 0, 2, 1)))),
        "PS3.8 section 9.3.8",
        "aborted the association (source 2, reason 1)",
    ),
    OddAnswer(
        "aborted with codes that PS3.8 does not have",
        _says(pdu(0x07, bytes((0, 0, 9, 99)))),
        "PS3.8 section 9.3.8",
        "(source 9, reason 99)",
    ),
    OddAnswer("aborted by an empty PDU", _says(pdu(0x07, b"")), "PS3.8 section 9.3.8", "aborted the association"),
    OddAnswer(
        "an answer that ends within its AE titles",
        _says(pdu(0x02, struct.pack(">HH", 1, 0))),
        _AC,
        "no A-ASSOCIATE-AC of PS3.8",
    ),
    OddAnswer("an answer cut within an item", partial(accept, cut=3), _AC, "no A-ASSOCIATE-AC of PS3.8"),
    OddAnswer(
        "no context accepted",
        lambda body: accept(body[:68] + item(0x50, b"")),
        _AC,
        "accepted none of the presentation contexts",
    ),
    OddAnswer(
        "a web server", _says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "PS3.8 section 9.3.1", "something that is not DICOM"
    ),
    OddAnswer("another PDU", _says(pdu(0x06, bytes(4))), "PS3.8 Table 9-10", "the destination"),
    OddAnswer(
        "nothing, and it hangs up", _says(None), "PS3.8 section 9.1.4", "takes the connection but does not answer"
    ),
)
