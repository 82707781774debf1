"""UIDs of the objects that auscult makes: a function of what they say, and recognisable as its own.

A UID is `2.25.` and the decimal value of a UUID (PS3.5 B.2). The UUID is of version 8 (RFC 9562 section 5.8): 32 bits
of a fixed marker, then 90 bits of SHA-256 around the version and the variant. The marker lets a gateway with an empty
ledger know its own objects when a PACS forwards them back.
"""

import hashlib
import re

#: Manufacturer (0008,0070) and Manufacturer's Model Name (0008,1090) of every report. Both together make an object
#: ours: the synthetic radiographs of the demo have the same manufacturer and are to be analysed.
MANUFACTURER = "auscult"
MODEL_NAME = "auscult chest radiograph AI gateway"

#: The first 32 bits of every UUID made here; it reads "auscult" as far as hexadecimal can. Never change it.
MARKER = 0xA05C0170

_VERSION = 8
_VARIANT = 0b10
_UUID_UID = re.compile(r"2\.25\.([1-9][0-9]{0,38})")


def derive_uid(*parts: str) -> str:
    """Return the UID that belongs to these parts, the same in every process and on every host.

    Each part is hashed behind its length, so ("ab", "c") and ("a", "bc") give different UIDs.

    References
    ----------
    PS3.5 section B.2; RFC 9562 section 5.8
    """
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    free = int.from_bytes(digest.digest(), "big") & ((1 << 90) - 1)
    custom_a = free >> 74
    custom_b = (free >> 62) & 0xFFF
    custom_c = free & ((1 << 62) - 1)
    high = (MARKER << 32) | (custom_a << 16) | (_VERSION << 12) | custom_b
    return f"2.25.{(high << 64) | (_VARIANT << 62) | custom_c}"


def variant_uid(uid: str, sop_class_uid: str) -> str:
    """Return the UID of an object, or of its series, as a destination gets it in another SOP class."""
    return derive_uid("variant", str(uid), str(sop_class_uid))


def is_own_uid(uid: str) -> bool:
    """Tell whether `derive_uid` made this UID: marker, version and variant are in their places."""
    match = _UUID_UID.fullmatch(uid)
    if match is None:
        return False
    value = int(match[1])
    return value >> 96 == MARKER and (value >> 76) & 0xF == _VERSION and (value >> 62) & 0b11 == _VARIANT


#: Implementation Class UID (0002,0012) of everything that auscult writes or negotiates. It stays the same in every
#: release: it is part of the stored bytes, whose digest tells a repeated instance from a new one.
IMPLEMENTATION_CLASS_UID = derive_uid("implementation class", "1")
