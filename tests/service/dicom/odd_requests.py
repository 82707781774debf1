"""Association requests as devices and strangers really write them, and what is right for each.

"Right" is acceptance, with the image stored, or the rejection that PS3.8 section 9.3.4 has for it; never silence.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.service.dicom.raw_scu import CR, EXPLICIT, IMPLICIT, pdu

APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
ACCEPTED = None
#: Result, source and reason of A-ASSOCIATE-RJ (PS3.8 Table 9-21).
NO_REASON, VERSION, APPLICATION_CONTEXT_NAME = (1, 2, 1), (1, 2, 2), (1, 1, 2)
CALLED, CALLING = (1, 1, 7), (1, 1, 3)


@dataclass(frozen=True)
class OddRequest:
    """One request.

    Attributes
    ----------
    rejected
        Result, source and reason of the rejection that is right; None where it is accepted.
    context_id
        The presentation context that an image is sent in afterwards; None where no context can be accepted.
    """

    name: str
    encoded: bytes
    source: str
    rejected: tuple[int, int, int] | None = ACCEPTED
    context_id: int | None = 1

    @property
    def about(self) -> str:
        """The part of the request that is odd, in words."""
        return _ABOUT[self.source]


def item(kind: int, value: bytes, length: int | None = None) -> bytes:
    """Return an item; `length` is what it says of itself."""
    return struct.pack(">BBH", kind, 0, len(value) if length is None else length) + value


def context(number: int, abstract: bytes | None, *transfer: bytes, reserved: bytes = bytes(3)) -> bytes:
    """Return a presentation context item."""
    parts = b"" if abstract is None else item(0x30, abstract)
    return item(0x20, bytes((number,)) + reserved + parts + b"".join(item(0x40, uid) for uid in transfer))


def information(*items: bytes, maximum: bytes | None = struct.pack(">L", 16384)) -> bytes:
    """Return a user information item."""
    return item(0x50, (b"" if maximum is None else item(0x51, maximum)) + item(0x52, b"2.25.1") + b"".join(items))


GOOD = (context(1, CR.encode(), EXPLICIT.encode()),)


def request(
    contexts: Iterable[bytes] = GOOD,
    *more: bytes,
    called: bytes = b"AUSCULT".ljust(16),
    calling: bytes = b"RAW".ljust(16),
    version: int = 1,
    reserved: bytes = bytes(34),
    application: bytes | None = APPLICATION_CONTEXT,
    user: bytes | None = information(),
    cut: int = 0,
) -> bytes:
    """Return an A-ASSOCIATE-RQ PDU."""
    body = struct.pack(">H", version) + reserved[:2] + called + calling + reserved[2:]
    body += b"" if application is None else item(0x10, application)
    body += b"".join(contexts) + (b"" if user is None else user) + b"".join(more)
    return pdu(0x01, body[: len(body) - cut])


def _identity(kind: int, first: bytes, second: bytes = b"") -> bytes:
    fields = b"".join(struct.pack(">H", len(value)) + value for value in (first, second))
    return item(0x58, bytes((kind, 0)) + fields)


def _asked(*items: bytes) -> bytes:
    return request(user=information(*items))


_TITLES = "PS3.8 Table 9-11: spaces at both ends are not significant; pynetdicom#746, #921"
_UNKNOWN = "PS3.8 section 9.3.1: items of unrecognized types are ignored and skipped"
_FIXED = "PS3.8 Table 9-11: reserved fields are not tested, and of the version bit 0 alone"
_APPLICATION_CONTEXT = "PS3.8 Table 9-21"
_CONTEXTS = "PS3.8 section 9.3.2.2 and Table 9-18"
_USER = "PS3.7 Annex D.3.3; PS3.8 Annex D.1"
_LENGTHS = "PS3.8 section 9.3.4: rejected, UL service-provider, no reason given"
_ABOUT = {
    _TITLES: "AE titles",
    _UNKNOWN: "unknown items",
    _FIXED: "version, reserved bytes, application context",
    _APPLICATION_CONTEXT: "version, reserved bytes, application context",
    _CONTEXTS: "presentation contexts",
    _USER: "user information",
    _LENGTHS: "lengths that lie",
}

ODD_REQUESTS: tuple[OddRequest, ...] = (
    OddRequest("called AE title padded with NUL", request(called=b"AUSCULT".ljust(16, b"\0")), _TITLES),
    OddRequest("calling AE title padded with NUL", request(calling=b"RAW".ljust(16, b"\0")), _TITLES),
    OddRequest("AE title with garbage behind its NUL", request(called=b"AUSCULT\0\xfe\xed old".ljust(16)), _TITLES),
    OddRequest(
        "AE titles with leading spaces", request(called=b"AUSCULT".rjust(16), calling=b"RAW".rjust(16)), _TITLES
    ),
    OddRequest("blank calling AE title", request(calling=b" " * 16), _TITLES),
    OddRequest("calling AE title of NUL alone", request(calling=bytes(16)), _TITLES),
    OddRequest(
        "calling AE title with control and Latin-1 characters", request(calling=b"R\xd6\x01\\NTGEN".ljust(16)), _TITLES
    ),
    OddRequest("blank called AE title", request(called=b" " * 16), _TITLES, CALLED),
    OddRequest("called AE title of NUL alone", request(called=bytes(16)), _TITLES, CALLED),
    OddRequest("called AE title in lower case", request(called=b"auscult".ljust(16)), _TITLES, CALLED),
    OddRequest("protocol version with more bits than the first", request(version=0xFF03), _FIXED),
    OddRequest("protocol version without its first bit", request(version=2), _FIXED, VERSION),
    OddRequest("protocol version 0", request(version=0), _FIXED, VERSION),
    OddRequest("reserved bytes that are set", request(reserved=b"\xa5" * 34), _FIXED),
    OddRequest("application context padded with NUL", request(application=APPLICATION_CONTEXT + b"\0"), _FIXED),
    OddRequest("application context that is empty", request(application=b""), _FIXED),
    OddRequest("no application context", request(application=None), _FIXED),
    OddRequest(
        "another application context",
        request(application=b"1.2.840.10008.3.1.1.9"),
        _APPLICATION_CONTEXT,
        APPLICATION_CONTEXT_NAME,
    ),
    OddRequest("unknown item of type 0x99", request(GOOD, item(0x99, b"abc")), _UNKNOWN),
    OddRequest("an item of an answer, of type 0x21", request(GOOD, item(0x21, bytes(4))), _UNKNOWN),
    OddRequest("an empty item of type 0x00 at the end", request(GOOD, bytes(4)), _UNKNOWN),
    OddRequest("unknown user information sub-item of type 0x5F", _asked(item(0x5F, b"abc")), _UNKNOWN),
    OddRequest("empty unknown user information sub-items", _asked(item(0x60, b""), item(0x00, b"")), _UNKNOWN),
    OddRequest(
        "unknown sub-item in a presentation context",
        request([GOOD[0][:2] + struct.pack(">H", len(GOOD[0]) - 4 + 7) + GOOD[0][4:] + item(0x41, b"abc")]),
        _UNKNOWN,
    ),
    OddRequest("no Maximum Length item", request(user=information(maximum=None)), _USER),
    OddRequest("Maximum Length item of 2 bytes", request(user=information(maximum=b"\x40\0")), _USER),
    OddRequest("empty Maximum Length item", request(user=information(maximum=b"")), _USER),
    OddRequest("Maximum Length of 0", request(user=information(maximum=bytes(4))), _USER),
    OddRequest("Maximum Length of 1", request(user=information(maximum=b"\0\0\0\1")), _USER),
    OddRequest("Maximum Length of 8", request(user=information(maximum=b"\0\0\0\x08")), _USER),
    OddRequest("Maximum Length of 4 GiB", request(user=information(maximum=b"\xff" * 4)), _USER),
    OddRequest("no user information at all", request(user=None), _USER),
    OddRequest("empty user information", request(user=item(0x50, b"")), _USER),
    OddRequest("two user information items", request(GOOD, information()), _USER),
    OddRequest(
        "implementation class UID that is none", request(user=item(0x50, item(0x52, b"not a uid\0\xff"))), _USER
    ),
    OddRequest("empty implementation class UID", request(user=item(0x50, item(0x52, b""))), _USER),
    OddRequest("version name padded with NUL", _asked(item(0x55, b"VENDOR 1.0\0\0")), _USER),
    OddRequest("version name of 40 characters", _asked(item(0x55, b"AN IMPLEMENTATION VERSION NAME, TOO LONG")), _USER),
    OddRequest("empty version name", _asked(item(0x55, b"")), _USER),
    OddRequest("version name in Latin-1", _asked(item(0x55, b"M\xfcNCHEN")), _USER),
    OddRequest("user identity of unknown type 99", _asked(_identity(99, b"abc")), _USER),
    OddRequest("user identity of type 0", _asked(_identity(0, b"")), _USER),
    OddRequest("user identity that lies about its lengths", _asked(item(0x58, b"\2\0\xff\xffabc")), _USER),
    OddRequest("empty user identity", _asked(item(0x58, b"")), _USER),
    OddRequest("user name and passcode that nobody asked for", _asked(_identity(2, b"dicom", b"secret")), _USER),
    OddRequest("asynchronous operations window", _asked(item(0x53, b"\0\0\0\0")), _USER),
    OddRequest("asynchronous operations window of 1 byte", _asked(item(0x53, b"\0")), _USER),
    OddRequest("SOP class extended negotiation", _asked(item(0x56, b"\0\x01" + b"1" + b"\1\1\1")), _USER),
    OddRequest(
        "SOP class common extended negotiation",
        _asked(item(0x57, b"\0\x03" + b"1.2" + b"\0\x03" + b"1.3" + b"\0\0")),
        _USER,
    ),
    OddRequest("common extended negotiation that lies about its lengths", _asked(item(0x57, b"\xff\xff1")), _USER),
    OddRequest("role selection that lies about its length", _asked(item(0x54, b"\xff\xff1.2\1\1")), _USER),
    OddRequest(
        "role selection for a SOP class of an image",
        _asked(item(0x54, struct.pack(">H", len(CR)) + CR.encode() + b"\1\1")),
        _USER,
    ),
    OddRequest("role selection without roles", _asked(item(0x54, struct.pack(">H", len(CR)) + CR.encode())), _USER),
    OddRequest(
        "UIDs padded with NUL", request([context(1, CR.encode() + b"\0", EXPLICIT.encode() + b"\0")]), _CONTEXTS
    ),
    OddRequest(
        "UIDs padded with spaces", request([context(1, CR.encode() + b" ", b" " + EXPLICIT.encode())]), _CONTEXTS
    ),
    OddRequest("context without a transfer syntax", request([context(1, CR.encode())]), _CONTEXTS, ACCEPTED, None),
    OddRequest(
        "context with an empty transfer syntax", request([context(1, CR.encode(), b"")]), _CONTEXTS, ACCEPTED, None
    ),
    OddRequest(
        "empty transfer syntax beside a good one", request([context(1, CR.encode(), b"", EXPLICIT.encode())]), _CONTEXTS
    ),
    OddRequest(
        "context without an abstract syntax", request([context(1, None, EXPLICIT.encode())]), _CONTEXTS, ACCEPTED, None
    ),
    OddRequest(
        "context with an empty abstract syntax",
        request([context(1, b"", EXPLICIT.encode())]),
        _CONTEXTS,
        ACCEPTED,
        None,
    ),
    OddRequest("bad context beside a good one", request([context(3, CR.encode()), *GOOD]), _CONTEXTS),
    OddRequest("empty context item beside a good one", request([item(0x20, b""), *GOOD]), _CONTEXTS),
    OddRequest("context item of 1 byte beside a good one", request([item(0x20, b"\5"), *GOOD]), _CONTEXTS),
    OddRequest(
        "even presentation context ID", request([context(2, CR.encode(), EXPLICIT.encode())]), _CONTEXTS, ACCEPTED, 2
    ),
    OddRequest(
        "presentation context ID 0", request([context(0, CR.encode(), EXPLICIT.encode())]), _CONTEXTS, ACCEPTED, 0
    ),
    OddRequest(
        "presentation context ID twice", request([*GOOD, context(1, CR.encode(), IMPLICIT.encode())]), _CONTEXTS
    ),
    OddRequest(
        "presentation context ID of two SOP classes",
        request([*GOOD, context(1, b"1.2.840.10008.1.1", IMPLICIT.encode())]),
        _CONTEXTS,
    ),
    OddRequest(
        "reserved bytes of a context that are set",
        request([context(1, CR.encode(), EXPLICIT.encode(), reserved=b"\xff" * 3)]),
        _CONTEXTS,
    ),
    OddRequest("UID of 70 characters", request([context(3, b"1." + b"2" * 68, EXPLICIT.encode()), *GOOD]), _CONTEXTS),
    OddRequest("UID that is none", request([context(3, b"CT \xff\0", EXPLICIT.encode()), *GOOD]), _CONTEXTS),
    OddRequest("no presentation context", request([]), _CONTEXTS, ACCEPTED, None),
    OddRequest(
        "128 presentation contexts",
        request([context(number, CR.encode(), EXPLICIT.encode()) for number in range(1, 256, 2)]),
        _CONTEXTS,
    ),
    OddRequest("items in another order", request([], information(), *GOOD, user=None), _UNKNOWN),
    OddRequest("item longer than the PDU", request(GOOD, item(0x99, b"abc", 5000)), _LENGTHS, NO_REASON),
    OddRequest(
        "sub-item longer than its item", request(user=item(0x50, item(0x52, b"2.25.1", 500))), _LENGTHS, NO_REASON
    ),
    OddRequest(
        "transfer syntax longer than its context",
        request([item(0x20, b"\1\0\0\0" + item(0x30, CR.encode()) + item(0x40, b"1.2", 900))]),
        _LENGTHS,
        NO_REASON,
    ),
    OddRequest("PDU cut within its last item", request(cut=3), _LENGTHS, NO_REASON),
    OddRequest("PDU cut within an item's header", request(GOOD, b"\x50\0\0"), _LENGTHS, NO_REASON),
    OddRequest("PDU cut within its AE titles", pdu(0x01, struct.pack(">HH", 1, 0) + b"AUSCULT"), _LENGTHS, NO_REASON),
    OddRequest("empty PDU", pdu(0x01, b""), _LENGTHS, NO_REASON),
)


def answered(accepted: bytes) -> dict[int, int]:
    """Return the results by presentation context ID of an A-ASSOCIATE-AC PDU's body, read as PS3.8 Table 9-17 says."""
    results = {}
    at = 68
    while at < len(accepted):
        length = int.from_bytes(accepted[at + 2 : at + 4], "big")
        if accepted[at] == 0x21:
            results[accepted[at + 4]] = accepted[at + 6]
        at += 4 + length
    return results


def accepted_contexts(results: dict[int, int]) -> Sequence[int]:
    """Return the IDs of the contexts that were accepted."""
    return [number for number, result in results.items() if result == 0]
