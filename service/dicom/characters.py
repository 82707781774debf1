"""Text of a data set in its character set, decoded without ever failing: no image is refused for a name."""

import re

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

# Python's own codecs for these read the escape sequences themselves.
_READ_ESCAPES = frozenset(("iso2022_jp", "iso2022_jp_2"))
_DEFAULT = "latin_1"
_FRAGMENTS = re.compile(rb"\x1b[^\x1b]*|[^\x1b]+")
#: These end the effect of an escape sequence in a Person Name (PS3.5 section 6.1.2.5.3).
_DELIMITERS = re.compile(rb"([\^=\\\r\n\f\t])")


def encodings(specific_character_set: bytes) -> tuple[str, ...]:
    """Return Python's names of the encodings of Specific Character Set (0008,0005); unknown terms are left out.

    Source: PS3.3 section C.12.1.1.2.
    """
    terms = [term.strip() for term in specific_character_set.decode("ascii", "replace").strip("\0 ").split("\\")]
    known = tuple(python_encoding[term] for term in terms if term in python_encoding)
    return known or (_DEFAULT,)


def decode(value: bytes, known: tuple[str, ...]) -> str:
    r"""Return a value as text, without padding; bytes that cannot be decoded stay visible as ``\xNN``.

    Source: PS3.5 sections 6.1.2.3 to 6.1.2.5.
    """
    value = value.rstrip(b"\0 ")
    if b"\x1b" not in value:
        return value.decode(known[0], "backslashreplace").strip()
    return "".join(_decode_fragment(fragment, known[0]) for fragment in _FRAGMENTS.findall(value)).strip()


def _decode_fragment(fragment: bytes, first: str) -> str:
    """Decode a run of bytes that begins with an escape sequence, or stands before the first one."""
    size = 4 if fragment.startswith((b"\x1b$(", b"\x1b$)")) else 3
    encoding = CODES_TO_ENCODINGS.get(fragment[:size])
    if encoding is None:
        return fragment.decode(first, "backslashreplace")
    if encoding in _READ_ESCAPES:
        return fragment.decode(encoding, "backslashreplace")
    if encoding == "iso_ir_58":
        # Escape sequence for GB 2312 in G1: the bytes have their high bit set, as in EUC-CN.
        encoding = "gb2312"
    escaped, *rest = _DELIMITERS.split(fragment[size:], maxsplit=1)
    return escaped.decode(encoding, "backslashreplace") + b"".join(rest).decode(first, "backslashreplace")
