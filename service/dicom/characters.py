"""Text of a data set in its character set, decoded without ever failing: no image is refused for a name.

References
----------
PS3.3 section C.12.1.1.2; PS3.5 sections 6.1.2.3 to 6.1.2.5 and Annexes H to K
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass, replace

#: Python's encodings by the number of the ISO registry in a defined term, however the term is spelled. Korean and
#: Chinese sets are read as the larger sets that devices fill them from. None has no upper half: ASCII.
_BY_NUMBER: dict[str, str | None] = {
    "6": None,
    "13": "shift_jis",
    "58": "gb18030",
    "87": None,
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "126": "iso8859_7",
    "127": "iso8859_6",
    "138": "iso8859_8",
    "144": "iso8859_5",
    "148": "iso8859_9",
    "149": "cp949",
    "159": None,
    "166": "tis_620",
    "192": "utf_8",
    "203": "iso8859_15",
}
_BY_NAME = {
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "ISO2022GBK": "gb18030",
    "GB2312": "gb18030",
    "UTF8": "utf_8",
    "ISO88591": "latin_1",
}
_TERM = re.compile(r"(?:ISO)?(?:2022)?(?:IR)?0*(\d{1,3})")

#: What an escape sequence designates to the upper half, G1 (PS3.3 Tables C.12-3 and C.12-4).
_UPPER = {
    b"\x1b-A": "latin_1",
    b"\x1b-B": "iso8859_2",
    b"\x1b-C": "iso8859_3",
    b"\x1b-D": "iso8859_4",
    b"\x1b-F": "iso8859_7",
    b"\x1b-G": "iso8859_6",
    b"\x1b-H": "iso8859_8",
    b"\x1b-L": "iso8859_5",
    b"\x1b-M": "iso8859_9",
    b"\x1b-T": "tis_620",
    b"\x1b-b": "iso8859_15",
    b"\x1b)I": "shift_jis",
    b"\x1b$)C": "cp949",
    b"\x1b$)A": "gb18030",
}
#: What one designates to the lower half, G0; the codec is given the sequence to read it by. None is one byte a letter.
_LOWER = {
    b"\x1b(B": None,
    b"\x1b(J": None,
    b"\x1b$B": "iso2022_jp_2",
    b"\x1b$@": "iso2022_jp_2",
    b"\x1b$A": "iso2022_jp_2",
    b"\x1b$(C": "iso2022_jp_2",
    b"\x1b$(D": "iso2022_jp_2",
}
_PIECES = re.compile(rb"\x1b(?:\$[()][A-D]|\$[@AB]|[-()][A-Za-z])|[^\x1b]+|\x1b")
_HALVES = re.compile(rb"[\x00-\x7f]+|[\x80-\xff]+")
#: These end the effect of escape sequences: everywhere, and besides in a Person Name (PS3.5 section 6.1.2.5.3).
_DELIMITERS = re.compile(rb"[\\\r\n\f\t]")
_NAME_DELIMITERS = re.compile(rb"[\^=\\\r\n\f\t]")


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Read a byte that its encoding does not know as Windows' Western set, so that two such bytes stay two."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.start + 1].decode("cp1252", "replace"), error.start + 1


codecs.register_error("auscult.windows", _as_windows)


@dataclass(frozen=True)
class CharacterSet:
    """The encodings that a data set may use.

    Attributes
    ----------
    default
        Of what stands before any escape sequence; None is ASCII, without an upper half.
    extensions
        The upper halves that Specific Character Set declares besides.
    """

    default: str | None = None
    extensions: tuple[str, ...] = ()


def character_set(specific_character_set: bytes) -> CharacterSet:
    """Return what Specific Character Set (0008,0005) declares; terms that nobody knows count as ASCII."""
    terms = specific_character_set.decode("ascii", "replace").strip("\0 ").split("\\")
    first, *others = (_encoding(term) for term in terms)
    return CharacterSet(first, tuple(encoding for encoding in others if encoding is not None))


def _encoding(term: str) -> str | None:
    letters = re.sub(r"[^A-Z0-9]", "", term.upper())
    match = _TERM.fullmatch(letters)
    return _BY_NUMBER.get(match[1]) if match else _BY_NAME.get(letters)


def decode(value: bytes, known: CharacterSet, *, is_name: bool = False) -> str:
    """Return a value as text, without padding and control characters.

    A byte that its encoding does not know is read in Windows' Western set: one that stays apart from others, and most
    often what was meant. Where ASCII is declared, or nothing, or something that nobody knows, the upper half is read in
    the first that fits of what is declared besides, UTF-8, and Windows' Western set.

    Parameters
    ----------
    is_name
        Whether the value is a Person Name, whose delimiters end the effect of an escape sequence.
    """
    value = value.strip(b"\0 ")
    text = _with_escapes(value, known, is_name=is_name) if b"\x1b" in value else _without_escapes(value, known)
    # Control characters belong to no value of one line, and surrogates cannot be written in UTF-8.
    return "".join(sign for sign in text if unicodedata.category(sign) not in ("Cc", "Cs")).strip()


def _without_escapes(value: bytes, known: CharacterSet) -> str:
    if known.default is not None:
        return value.decode(known.default, "auscult.windows")
    for encoding in ("ascii", *known.extensions, "utf_8"):
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return value.decode("cp1252", "replace")


@dataclass(frozen=True)
class _Designated:
    """What the two halves of the code table mean at a place of a value (ISO/IEC 2022)."""

    lower: bytes
    upper: str | None


def _with_escapes(value: bytes, known: CharacterSet, *, is_name: bool) -> str:
    start = now = _Designated(b"\x1b(B", known.default)
    delimiters = _NAME_DELIMITERS if is_name else _DELIMITERS
    text = []
    for piece in _PIECES.findall(value):
        if piece in _LOWER:
            now = replace(now, lower=piece)
            continue
        if piece in _UPPER:
            now = replace(now, upper=_UPPER[piece])
            continue
        for half in _HALVES.findall(piece):
            two_bytes = _LOWER[now.lower]
            if half[0] >= 0x80:
                text.append(_without_escapes(half, replace(known, default=now.upper)))
            elif two_bytes is not None:
                text.append((now.lower + half).decode(two_bytes, "auscult.windows"))
            else:
                text.append(half.decode("ascii"))
                # Some devices do not designate anew behind a delimiter: what would be without meaning keeps it.
                now = _Designated(start.lower, start.upper or now.upper) if delimiters.search(half) else now
    return "".join(text)
